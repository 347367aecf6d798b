"""The app directory: its layout, the files of it that are packaged, and what is remembered of them."""

from cdk_lambda_package.app_directory.app import (
    APP_FOLDER,
    REQUIREMENTS_FILE,
    VENDOR_FOLDER,
    App,
    AppFile,
    Origin,
    Selection,
    check_directory,
    check_index,
    choose_index,
    normalise_index,
    read_app,
    unpackaged_modules,
)
from cdk_lambda_package.app_directory.file_facts import (
    FactsReader,
    FileFacts,
    FileStamp,
    StatCache,
    file_stamp,
    read_facts,
)
from cdk_lambda_package.app_directory.listing import FoundFile, Listing, SymlinkFollowMode, list_files
from cdk_lambda_package.app_directory.paths import (
    NEVER_FOLDERS,
    Patterns,
    check_patterns,
    escape,
    import_units,
    is_importable,
    is_leftover,
    name_fault,
)
