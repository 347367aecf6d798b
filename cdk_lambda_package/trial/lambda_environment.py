"""The environment in which Lambda imports a function's module. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cdk_lambda_package.target import Target

TASK_ROOT, LAYERS_ROOT = "/var/task", "/opt"


def make_variables(target: Target, *, handler: str, task: Path, layers: Path, scratch: Path) -> dict[str, str]:
    """Return Lambda's variables, for a package unpacked at `task` and layers at `layers`.

    `scratch` takes the place of /tmp, and of the home directory, which a function hasn't got. The credentials are no
    real ones: a client can be made with them, and nothing is asked with it.
    """
    return {
        "_HANDLER": handler,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{target.runtime.name}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/function",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2000/01/01/[$LATEST]00000000000000000000000000000000",
        "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_SESSION_TOKEN": "none",
        "HOME": str(scratch),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": str(task),
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": f"{task}:{task}/lib:{layers}/lib",
        "PATH": f"/usr/local/bin:/usr/bin:/bin:{layers}/bin",
        "PYTHONPATH": "/var/runtime",
        "TMPDIR": str(scratch),
        "TZ": ":UTC",
    }


def layer_paths(target: Target, layers: Path) -> tuple[Path, ...]:
    """Return where modules of layers are looked for, in order (awslambdaric/bootstrap.py)."""
    return (layers / "python" / "lib" / target.runtime.name / "site-packages", layers / "python")


def as_on_lambda(text: str, places: Mapping[Path, str]) -> str:
    """Return a text with this machine's paths replaced by those that Lambda has in their places."""
    for path, name in places.items():
        text = text.replace(str(path), name)
    return text
