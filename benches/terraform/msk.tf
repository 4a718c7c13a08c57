# The cluster of stacks/msk.yaml as a Terraform user would write it: the same resources as kstack's plan, without the storage that grows by
# itself, since LocalStack has no tags for Application Auto Scaling, which Terraform asks for. The benchmark counts both.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

variable "endpoint" { type = string }
variable "account" { type = string }
variable "brokers" { type = number }
variable "clients" { type = list(string) }
variable "size_gib" { type = number }
variable "properties" { type = string }

locals {
  name    = "bench"
  region  = "us-east-1"
  private = { a = "10.50.0.0/19", b = "10.50.32.0/19", c = "10.50.64.0/19" }
  public  = { a = "10.50.224.0/22", b = "10.50.228.0/22", c = "10.50.232.0/22" }
  ports   = { 9098 = "Kafka clients with IAM", 11001 = "Kafka's metrics", 11002 = "The hosts' metrics" }
  ingress = merge(
    { for port, what in local.ports : port => { port = port, peer = "clients", block = null, description = what } },
    { for block in var.clients : block => { port = 9098, peer = null, block = block, description = "Kafka clients outside" } },
  )
}

provider "aws" {
  region                      = local.region
  access_key                  = var.account
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  endpoints {
    ec2   = var.endpoint
    iam   = var.endpoint
    kafka = var.endpoint
    sts   = var.endpoint
  }
  default_tags { tags = { team = "orders" } }
}

resource "aws_vpc" "main" {
  cidr_block           = "10.50.0.0/16"
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = local.name }
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_subnet" "private" {
  for_each          = local.private
  vpc_id            = aws_vpc.main.id
  cidr_block        = each.value
  availability_zone = "${local.region}${each.key}"
}

resource "aws_subnet" "public" {
  for_each          = local.public
  vpc_id            = aws_vpc.main.id
  cidr_block        = each.value
  availability_zone = "${local.region}${each.key}"
}

resource "aws_route_table" "private" {
  for_each = local.private
  vpc_id   = aws_vpc.main.id
}

resource "aws_route_table_association" "private" {
  for_each       = local.private
  route_table_id = aws_route_table.private[each.key].id
  subnet_id      = aws_subnet.private[each.key].id
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route" "public" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main.id
}

resource "aws_route_table_association" "public" {
  for_each       = local.public
  route_table_id = aws_route_table.public.id
  subnet_id      = aws_subnet.public[each.key].id
}

resource "aws_security_group" "group" {
  for_each    = { brokers = "Kafka brokers", clients = "Kafka clients" }
  name        = "${local.name}-${each.key}"
  description = each.value
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "brokers" {
  for_each                     = local.ingress
  security_group_id            = aws_security_group.group["brokers"].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = each.value.peer == null ? null : aws_security_group.group[each.value.peer].id
  cidr_ipv4                    = each.value.block
  description                  = each.value.description
}

resource "aws_vpc_security_group_egress_rule" "clients" {
  for_each                     = local.ports
  security_group_id            = aws_security_group.group["clients"].id
  ip_protocol                  = "tcp"
  from_port                    = each.key
  to_port                      = each.key
  referenced_security_group_id = aws_security_group.group["brokers"].id
  description                  = each.value
}

resource "aws_msk_configuration" "main" {
  name              = local.name
  kafka_versions    = ["3.9.x.kraft"]
  server_properties = var.properties
}

resource "aws_msk_cluster" "main" {
  cluster_name           = local.name
  kafka_version          = "3.9.x.kraft"
  number_of_broker_nodes = var.brokers
  enhanced_monitoring    = "PER_BROKER"
  broker_node_group_info {
    instance_type   = "kafka.m7g.large"
    client_subnets  = [for subnet in aws_subnet.private : subnet.id]
    security_groups = [aws_security_group.group["brokers"].id]
    storage_info {
      ebs_storage_info { volume_size = var.size_gib }
    }
  }
  client_authentication {
    sasl { iam = true }
    # LocalStack's MSK tells of it where it is off, too.
    tls {}
  }
  configuration_info {
    arn      = aws_msk_configuration.main.arn
    revision = aws_msk_configuration.main.latest_revision
  }
  encryption_info {
    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }
  open_monitoring {
    prometheus {
      jmx_exporter { enabled_in_broker = true }
      node_exporter { enabled_in_broker = true }
    }
  }
}
