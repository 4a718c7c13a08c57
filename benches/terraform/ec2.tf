# The stack of the benchmark as a Terraform user would write it: the same resources as kstack's plan of stacks/prod.yaml
# with combined controllers. The benchmark counts both.

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
variable "image" { type = string }
variable "user_data" { type = string }

locals {
  name   = "bench"
  region = "ap-northeast-2"
  zones  = ["a", "b", "c"]
  hosts = { for number in range(1, var.brokers + 1) : "broker-${number}" => {
    zone    = local.zones[(number - 1) % 3]
    address = cidrhost(local.private[local.zones[(number - 1) % 3]], 9 + number)
    group   = floor((number - 1) / 21) + 1
  } }
  private = { a = "10.40.0.0/19", b = "10.40.32.0/19", c = "10.40.64.0/19" }
  public  = { a = "10.40.224.0/22", b = "10.40.228.0/22", c = "10.40.232.0/22" }
  ingress = merge(
    { for port, what in { 9092 = "Replication between brokers", 9093 = "The controllers' quorum" } : "brokers-${port}" => {
      group = "brokers", port = port, peer = "brokers", block = null, description = what } },
    { clients = { group = "brokers", port = 9092, peer = "clients", block = null, description = "Kafka clients" } },
    { endpoints = { group = "endpoints", port = 443, peer = "brokers", block = null, description = "Brokers to AWS services" } },
    { for block in var.clients : block => {
      group = "brokers", port = 9092, peer = null, block = block, description = "Kafka clients outside" } },
  )
  egress = {
    brokers-9092 = { group = "brokers", port = 9092, peer = "brokers", block = null, description = "Replication between brokers" }
    brokers-9093 = { group = "brokers", port = 9093, peer = "brokers", block = null, description = "The controllers' quorum" }
    https        = { group = "brokers", port = 443, peer = null, block = "0.0.0.0/0", description = "Packages, the Kafka archive and AWS services" }
    http         = { group = "brokers", port = 80, peer = null, block = "0.0.0.0/0", description = "Package mirrors" }
    endpoints    = { group = "brokers", port = 443, peer = "endpoints", block = null, description = "AWS services inside the VPC" }
    clients      = { group = "clients", port = 9092, peer = "brokers", block = null, description = "To the Kafka brokers" }
  }
}

provider "aws" {
  region                      = local.region
  access_key                  = var.account
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  endpoints {
    ec2 = var.endpoint
    iam = var.endpoint
    sts = var.endpoint
    ssm = var.endpoint
  }
  default_tags { tags = { team = "data-platform", cost-center = "4120" } }
}

resource "aws_vpc" "main" {
  cidr_block           = "10.40.0.0/16"
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

resource "aws_eip" "nat" {
  for_each = local.public
  domain   = "vpc"
}

resource "aws_nat_gateway" "zone" {
  for_each      = local.public
  subnet_id     = aws_subnet.public[each.key].id
  allocation_id = aws_eip.nat[each.key].id
  # As the provider's documentation recommends it.
  depends_on = [aws_internet_gateway.main]
}

resource "aws_route_table" "private" {
  for_each = local.private
  vpc_id   = aws_vpc.main.id
}

resource "aws_route" "private" {
  for_each               = local.private
  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.zone[each.key].id
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
  for_each    = { brokers = "Kafka brokers", clients = "Kafka clients", endpoints = "Interfaces of VPC endpoints" }
  name        = "${local.name}-${each.key}"
  description = each.value
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "rule" {
  for_each                     = local.ingress
  security_group_id            = aws_security_group.group[each.value.group].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = each.value.peer == null ? null : aws_security_group.group[each.value.peer].id
  cidr_ipv4                    = each.value.block
  description                  = each.value.description
}

resource "aws_vpc_security_group_egress_rule" "rule" {
  for_each                     = local.egress
  security_group_id            = aws_security_group.group[each.value.group].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = each.value.peer == null ? null : aws_security_group.group[each.value.peer].id
  cidr_ipv4                    = each.value.block
  description                  = each.value.description
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id          = aws_vpc.main.id
  service_name    = "com.amazonaws.${local.region}.s3"
  route_table_ids = [for table in aws_route_table.private : table.id]
}

resource "aws_vpc_endpoint" "interface" {
  for_each            = toset(["ssm", "ssmmessages", "ec2messages"])
  vpc_id              = aws_vpc.main.id
  service_name        = "com.amazonaws.${local.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = [for subnet in aws_subnet.public : subnet.id]
  security_group_ids  = [aws_security_group.group["endpoints"].id]
  private_dns_enabled = true
}

resource "aws_iam_role" "hosts" {
  name = "${local.name}-hosts"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy_attachment" "hosts" {
  role       = aws_iam_role.hosts.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "hosts" {
  name = "${local.name}-hosts"
  role = aws_iam_role.hosts.name
}

resource "aws_placement_group" "brokers" {
  for_each = toset([for host in local.hosts : tostring(host.group)])
  name     = "${local.name}-brokers-${each.key}"
  strategy = "spread"
}

resource "aws_ebs_volume" "broker" {
  for_each          = local.hosts
  availability_zone = "${local.region}${each.value.zone}"
  type              = "gp3"
  size              = var.size_gib
  iops              = 3000
  throughput        = 125
  encrypted         = true
  tags              = { Name = each.key }
}

resource "aws_network_interface" "broker" {
  for_each        = local.hosts
  subnet_id       = aws_subnet.private[each.value.zone].id
  private_ips     = [each.value.address]
  security_groups = [aws_security_group.group["brokers"].id]
  tags            = { Name = each.key }
}

resource "aws_instance" "broker" {
  for_each             = local.hosts
  ami                  = var.image
  instance_type        = "m7g.xlarge"
  iam_instance_profile = aws_iam_instance_profile.hosts.name
  placement_group      = aws_placement_group.brokers[each.value.group].name
  user_data_base64     = base64gzip(replace(file(var.user_data), "broker-1", each.key))
  tags                 = { Name = each.key }
  network_interface {
    device_index         = 0
    network_interface_id = aws_network_interface.broker[each.key].id
  }
  metadata_options {
    http_tokens = "required"
  }
  root_block_device {
    encrypted   = true
    volume_type = "gp3"
  }
  depends_on = [aws_route.private, aws_vpc_security_group_egress_rule.rule]
}

resource "aws_volume_attachment" "broker" {
  for_each    = local.hosts
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.broker[each.key].id
  instance_id = aws_instance.broker[each.key].id
}
