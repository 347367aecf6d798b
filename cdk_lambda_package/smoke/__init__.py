"""The smoke test: the script that imports the handler's module as Lambda does, and what its outcome means."""

from cdk_lambda_package.smoke.import_times import ImportTime, read_import_times
from cdk_lambda_package.smoke.outcome import SCRIPT, Circumstances, ScriptResult, finding_of, skip, unproven
