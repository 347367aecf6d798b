"""The app directory: its layout, the files of it that are packaged, and what is remembered of them."""

from cdk_lambda_package.app_directory.app import (
    APP_FOLDER,
    REQUIREMENTS_FILE,
    VENDOR_FOLDER,
    App,
    AppFile,
    FactsReader,
    FileFacts,
    FileStamp,
    Origin,
    Selection,
    StatCache,
    check_directory,
    check_entry,
    check_index,
    choose_index,
    file_stamp,
    normalise_index,
    read_app,
    read_facts,
)
from cdk_lambda_package.app_directory.listing import (
    FoundFile,
    Listing,
    SymlinkFollowMode,
    describe_unused,
    list_files,
    list_modules,
)
from cdk_lambda_package.app_directory.opening import OpenFolder, open_listed, settled
