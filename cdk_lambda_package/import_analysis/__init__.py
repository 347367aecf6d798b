"""Reads Python source and says what imports would do, without running them. Knows nothing of packages or their parts."""

from __future__ import annotations

from cdk_lambda_package.import_analysis.analysis import ImportAnalysis
from cdk_lambda_package.import_analysis.facts import Binding, ImportStatement, Kind, ModuleFacts, Version
from cdk_lambda_package.import_analysis.finder import Environment, Found, ModuleFinder, Origin, module_suffixes
from cdk_lambda_package.import_analysis.graph import ImportGraph, Runs, Step
from cdk_lambda_package.import_analysis.memory import SourceFile, TextFault
from cdk_lambda_package.import_analysis.reader import read_module
from cdk_lambda_package.import_analysis.resolution import Lack, Names, Reason, absolute_name
from cdk_lambda_package.import_analysis.standard_library import (
    BACKPORTS,
    Presence,
    arrival_of,
    is_always_loaded,
    is_known_version,
    removal_of,
    standard_presence,
)
from cdk_lambda_package.import_analysis.standard_names import absence_of, alternative_to
from cdk_lambda_package.import_analysis.syntax import syntax_faults

__all__ = [
    "BACKPORTS",
    "Binding",
    "Environment",
    "Found",
    "ImportAnalysis",
    "ImportGraph",
    "ImportStatement",
    "Kind",
    "Lack",
    "ModuleFacts",
    "ModuleFinder",
    "Names",
    "Origin",
    "Presence",
    "Reason",
    "Runs",
    "SourceFile",
    "Step",
    "TextFault",
    "Version",
    "absence_of",
    "absolute_name",
    "alternative_to",
    "arrival_of",
    "is_always_loaded",
    "is_known_version",
    "module_suffixes",
    "read_module",
    "removal_of",
    "standard_presence",
    "syntax_faults",
]
