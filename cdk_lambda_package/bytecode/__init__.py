"""Bytecode for a package's modules: the interpreter that compiles them, and the segments with what it made.

Lambda can't keep bytecode that it compiles, since a package is read-only there, and a .zip loses the times by which Python tells
whether bytecode is current. So modules are compiled in every cold start, unless the package has .pyc files that are found by a hash
of their source (https://peps.python.org/pep-0552/).
"""

from cdk_lambda_package.bytecode.overlays import Compilation, CompiledModule, bytecode_path, identity_of
