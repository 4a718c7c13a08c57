# The stack of stacks/msk.yaml as far as the mistakes are about it, as a Terraform user would write it.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "~> 5.0" }
  }
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "000000000000"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  default_tags { tags = { "team" = "orders" } }
}

resource "aws_vpc" "main" {
  cidr_block = "10.50.0.0/16"
}

resource "aws_subnet" "private" {
  for_each          = { a = "10.50.0.0/19", b = "10.50.32.0/19", c = "10.50.64.0/19" }
  vpc_id            = aws_vpc.main.id
  cidr_block        = each.value
  availability_zone = "us-east-1${each.key}"
}

resource "aws_security_group" "brokers" {
  name   = "brokers"
  vpc_id = aws_vpc.main.id
}

resource "aws_msk_configuration" "main" {
  name              = "orders"
  kafka_versions    = ["3.9.x.kraft"]
  server_properties = <<-EOF
    default.replication.factor=3
    min.insync.replicas=2
    log.retention.ms=259200000
  EOF
}

resource "aws_msk_cluster" "main" {
  cluster_name           = "orders"
  kafka_version          = "3.9.x.kraft"
  number_of_broker_nodes = 3
  broker_node_group_info {
    instance_type   = "kafka.m7g.large"
    client_subnets  = [for subnet in aws_subnet.private : subnet.id]
    security_groups = [aws_security_group.brokers.id]
    storage_info {
      ebs_storage_info { volume_size = 1000 }
    }
  }
  client_authentication {
    sasl { iam = true }
  }
  configuration_info {
    arn      = aws_msk_configuration.main.arn
    revision = aws_msk_configuration.main.latest_revision
  }
}
