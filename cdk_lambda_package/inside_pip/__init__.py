"""The scripts that run in pip's process. Imports only the standard library, pip, and its siblings."""
