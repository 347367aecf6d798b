"""The requests of users: the options of a package, each declared once, their defaults, and the request that has them."""

from cdk_lambda_package.options.defaults import (
    BESIDE,
    CONTEXT_PREFIX,
    ENTRIES_MAY_SET,
    DefaultsSource,
    SetIn,
    read_context,
    read_entry_table,
    read_environment,
    variable_of,
)
from cdk_lambda_package.options.kinds import PATH, TEXT, VARIABLES, Kind, choice, list_of
from cdk_lambda_package.options.packaging import OPTIONS, Group, Key, Option, Packaging, option_help, suggestion
from cdk_lambda_package.options.request import PackageRequest, Setting, settings_of, with_defaults
