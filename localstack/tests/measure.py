"""Measures how long LocalStack takes to start, and its memory: python tests/measure.py"""

import tempfile
import time
from pathlib import Path

import psutil
from conftest import Aws, free_port, launch, wait_until_answers


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        port, begun = free_port(), time.monotonic()
        process = launch(Path(folder), port)
        try:
            wait_until_answers(port, process)
            report("answers", begun, process.pid)
            aws = Aws(f"http://127.0.0.1:{port}")
            aws.ec2.describe_vpcs()
            report("first EC2 call answered", begun, process.pid)
            aws.kafka.list_clusters_v2()
            report("first MSK call answered", begun, process.pid)
            for _ in range(20):
                aws.run(SubnetId=aws.subnets[0])
            aws.create_cluster(NumberOfBrokerNodes=30)
            report("20 instances, 30 MSK brokers", begun, process.pid)
        finally:
            process.terminate()
            process.wait()


def report(what: str, begun: float, pid: int) -> None:
    passed, memory = time.monotonic() - begun, psutil.Process(pid).memory_info().rss / 2**20
    print(f"{what}: {passed:.1f} s, {memory:.0f} MiB")


if __name__ == "__main__":
    main()
