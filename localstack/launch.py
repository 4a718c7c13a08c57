"""Starts LocalStack on one loopback port, with everything it writes below one folder.

    python launch.py --port 4599 --dir /some/folder [--parent PID] [--brokers FOLDER]

LocalStack binds every address whatever GATEWAY_LISTEN says, and asks several hosts on the
internet when it starts. Both are put right here, before LocalStack is imported.
"""

import argparse
import os
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path

LOOPBACK = "127.0.0.1"
SERVICES = ("ec2", "kafka", "application-autoscaling", "ssm", "route53", "cloudwatch", "logs")
PROVIDER = "aws-rules"


def environment(port: int, folder: Path) -> dict[str, str]:
    """What LocalStack reads from its environment: where to listen, where to write, nothing online."""
    settings = {
        "GATEWAY_LISTEN": f"{LOOPBACK}:{port}",
        "LOCALSTACK_HOST": f"localhost:{port}",
        "LOCALSTACK_VOLUME_DIR": str(folder / "volume"),
        "TMPDIR": str(folder / "tmp"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DISABLE_EVENTS": "1",
        "DNS_ADDRESS": "0",
        "PERSISTENCE": "0",
        "EAGER_SERVICE_LOADING": "0",
    }
    for service in SERVICES:
        if service == "kafka" and paid_msk():
            continue
        settings["PROVIDER_OVERRIDE_" + service.replace("-", "_").upper()] = PROVIDER
    return settings


def paid_msk() -> bool:
    """Whether LocalStack's own MSK, which only a licence switches on, is asked for."""
    licensed = bool(os.environ.get("LOCALSTACK_AUTH_TOKEN"))
    return licensed and os.environ.get("KSTACK_SANDBOX_MSK") == "localstack"


def fail(message: str, code: int = 1) -> None:
    """Ends at once, from whatever thread, with one line of explanation."""
    sys.stderr.write(f"launch.py: {message}\n")
    sys.stderr.flush()
    os._exit(code)


def check_port_is_free(port: int) -> None:
    """Tells within a moment that the port is taken, rather than after LocalStack has started."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            fail(f"cannot listen on {LOOPBACK}:{port}: {error.strerror}")


def listen_on_loopback_only(port: int) -> None:
    """Gives twisted's endpoint the interface that LocalStack's server leaves out."""
    from twisted.internet import endpoints

    class LoopbackEndpoint(endpoints.TCP4ServerEndpoint):
        def __init__(self, reactor, port):
            super().__init__(reactor, port, interface=LOOPBACK)

        def listen(self, factory):
            refused = f"cannot listen on {LOOPBACK}:{port}"
            return super().listen(factory).addErrback(lambda why: fail(f"{refused}: {why.value}"))

    endpoints.TCP4ServerEndpoint = LoopbackEndpoint


def identity(pid: int) -> str | None:
    """What tells a process from a later one with the same id; None when it has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "running" if not Path("/proc/self/stat").exists() else None
    state, started = fields[0], fields[19]
    return None if state in "ZX" else started


def end_with(pid: int) -> None:
    """Ends this process soon after another has gone, so that a killed client leaves nothing behind."""
    first = identity(pid)

    def watch() -> None:
        while first is not None and identity(pid) == first:
            time.sleep(0.25)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def lend_what_python_312_lacks() -> None:
    """LocalStack's KMS imports a decorator from `warnings` that is there from Python 3.13 on."""
    import warnings

    if not hasattr(warnings, "deprecated"):
        from typing_extensions import deprecated

        warnings.deprecated = deprecated


def import_models() -> None:
    """Imports in one thread what LocalStack would import in many: services that are first called at the same
    moment import each other's modules, Python detects a deadlock, and the modules stay broken."""
    from importlib import import_module

    for name in ("ec2", "iam", "sts", "ssm"):
        import_module(f"moto.{name}.models")
        import_module(f"localstack.services.{name}.provider")


def leave_out_events() -> None:
    """LocalStack's SSM tells EventBridge of each change of a parameter; EventBridge is not installed here, and the
    parameter's own call would fail for it."""
    from localstack.services.ssm.provider import SsmProvider

    SsmProvider._notify_event_subscribers = staticmethod(lambda *_: None)


def refuse_to_remove_a_role_twice() -> None:
    """moto answers 500 when a role is not in the instance profile any more, as when a caller that lost the answer asks again."""
    from moto.iam.exceptions import NotFoundException
    from moto.iam.models import IAMBackend

    remove = IAMBackend.remove_role_from_instance_profile

    def remove_once(self, profile_name, role_name):
        try:
            return remove(self, profile_name, role_name)
        except ValueError:
            raise NotFoundException(f"{role_name} is not in the instance profile {profile_name}.") from None

    IAMBackend.remove_role_from_instance_profile = remove_once


def spare_the_processor() -> None:
    """Python looks for garbage less often, and not among what was imported; moto looks the methods of a class up once, and not
    in each call. Together 8% of the processor time of a call."""
    import functools
    import gc

    from moto.core import responses

    responses.method_names_from_class = functools.cache(responses.method_names_from_class)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def end_quickly_on_signals() -> None:
    """LocalStack waits for its workers when it ends; there is no state to save, so not for long."""
    from localstack.runtime import runtime

    clean_exit = runtime.LocalstackRuntime.exit

    def exit_soon(self, code: int = 0) -> None:
        deadline = threading.Timer(2.0, os._exit, [code])
        deadline.daemon = True
        deadline.start()
        clean_exit(self, code)

    runtime.LocalstackRuntime.exit = exit_soon


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dir", type=Path, required=True, help="folder for all state and caches")
    parser.add_argument("--parent", type=int, help="end when this process has ended")
    parser.add_argument("--brokers", type=Path, help="folder in which processes that stand for MSK's brokers keep data")
    options = parser.parse_args()

    check_port_is_free(options.port)
    folder = options.dir.resolve()
    settings = environment(options.port, folder)
    for name in ("LOCALSTACK_VOLUME_DIR", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        Path(settings[name]).mkdir(parents=True, exist_ok=True)
    os.environ.update(settings)
    if options.brokers is not None:
        os.environ["AWS_RULES_BROKERS"] = str(options.brokers.resolve())
    if options.parent is not None:
        end_with(options.parent)

    lend_what_python_312_lacks()
    listen_on_loopback_only(options.port)
    end_quickly_on_signals()
    import_models()
    leave_out_events()
    refuse_to_remove_a_role_twice()
    spare_the_processor()
    from localstack.runtime.main import main as run

    code = 1
    try:
        run()
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        # Python would first take apart all that moto holds, which can last ten seconds
        os._exit(code)


if __name__ == "__main__":
    main()
