"""The app directory: its layout, the files of it that are packaged, and what is remembered of them."""

from cdk_lambda_package.app_directory.app import (
    APP_FOLDER,
    REQUIREMENTS_FILE,
    App,
    Selection,
    check_directory,
    check_entry,
    check_index,
    choose_index,
    normalise_index,
    read_app,
)
from cdk_lambda_package.app_directory.facts import FolderCache, StatCache, facts_reader, read_facts
from cdk_lambda_package.app_directory.folders import (
    VENDOR_FOLDER,
    AppFile,
    Batch,
    FactsReader,
    FileFacts,
    FileSet,
    FileStamp,
    FolderMemory,
    Origin,
    file_stamp,
    is_racy,
)
from cdk_lambda_package.app_directory.listing import (
    Listing,
    SymlinkFollowMode,
    describe_unused,
    list_files,
    list_modules,
)
from cdk_lambda_package.app_directory.opening import FoundFile, OpenFolder, open_listed, settled
