"""What import statements, used names and calls lead to: the files that they run, the libraries that they load, and what is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from cdk_lambda_package.import_analysis.facts import (
    ANY_MODULE,
    ANY_SUBMODULE,
    STAR,
    Binding,
    ComputedImport,
    ImportStatement,
    LazyName,
    ModuleFacts,
    NameKind,
)
from cdk_lambda_package.import_analysis.finder import COMPILED_SUFFIXES, ModuleOrigin
from cdk_lambda_package.import_analysis.graph import Lack, Reason, Resolved, Uses
from cdk_lambda_package.import_analysis.module_names import ModuleNames
from cdk_lambda_package.import_analysis.modules import Modules
from cdk_lambda_package.target import absence_of

# A package with more modules of which a computed name may be one is a collection, and a handler needs few of them.
_MOST_MATCHES = 10


class Resolver:
    """Resolves the imports of modules, by path, for a trace: the `Effects` of `graph`.

    Example:
        `Resolver(modules, ModuleNames(modules)).resolve("app.py", statement).reaches`
    """

    def __init__(self, modules: Modules, names: ModuleNames) -> None:
        self._modules, self._names = modules, names

    def facts(self, path: str) -> ModuleFacts:
        """Return what the source at `path` says."""
        return self._modules.facts(path)

    # Statements

    def resolve(self, path: str, statement: ImportStatement) -> Resolved:
        """Return what a statement in the module at `path` comes to."""
        if statement.stub:
            missing = path in self._modules.paths and f"{path}i" not in self._modules.paths
            return Resolved((Lack(Reason.NO_STUB, f"{path}i"),) if missing else (), ())
        module = self._modules.absolute_name(path, statement)
        if module is None:
            dotted = f"{'.' * statement.level}{statement.module}"
            return Resolved((Lack(Reason.NO_PARENT, dotted),), ())
        files, lack = self._import_packages(module)
        if statement.by_name and module == self._package_at(path):
            # The loader of opencv-python takes itself out of sys.modules, and then imports the native module of its name
            # (https://github.com/opencv/opencv/blob/4.x/modules/python/package/cv2/__init__.py). Else it would do nothing.
            files.update(dict.fromkeys(filter(None, [self._modules.finder.find_native_part(module)])))
        if lack is not None and lack.reason is Reason.NO_MODULE:
            first = statement.names[:1] if statement.names != STAR else ()
            return self._resolved([lack._replace(wanted=".".join((module, *first)))], files)
        lacks = [lack] if lack is not None else []
        for name in self._imported_names(module, statement):
            if lazy := self._import_lazily(module, name):
                files.update(dict.fromkeys(lazy))
                continue
            file, lack = self._import_name(path, statement, module, name)
            lacks += filter(None, [lack])
            files.update(dict.fromkeys(filter(None, [file])))
        return self._resolved(lacks, files)

    def _resolved(self, lacks: Iterable[Lack], files: Collection[str]) -> Resolved:
        """Return the effect of a statement that runs these files, or loads those that are compiled."""
        reaches = tuple(file for file in files if file in self._modules.sources)
        return Resolved(tuple(lacks), reaches, tuple(file for file in files if file.endswith(COMPILED_SUFFIXES)))

    def _package_at(self, path: str) -> str | None:
        """Return the full name of the package that a path is the module of."""
        return self._modules.full_name(path) if path.endswith("/__init__.py") else None

    # Computed names

    def computed(self, path: str, one: ComputedImport) -> tuple[str, ...]:
        """Return the paths of the modules that an import by a computed name in the module at `path` may run."""
        name = self._modules.named(path, one.name) or ""
        if ANY_MODULE in name:
            names = self._modules.matching(name)
            names = names if len(names) <= _MOST_MATCHES else ()
        else:
            module = name.rpartition(".")[0]
            names = tuple(one for one in (name, module) if one and self._modules.path_of(one) is not None)[:1]
            if names and one.by:
                target, function = self.callee(path, one.by) or ("", "")
                names = names if function in self._modules.facts(target).importers else ()
        files = dict.fromkeys(file for name in names for file in self._import_packages(name)[0])
        return tuple(file for file in files if file in self._modules.sources and file != path)

    # Names that are used, and calls

    def uses(self, path: str) -> Uses:
        """Return what names lead to that the module at `path` uses while it is imported."""
        facts = self._modules.facts(path)
        found = [self._use(path, name) for name in facts.uses]
        found += [self._use_all(path, one) for one in facts.imports if one.names == STAR and not one.deferred]
        return _joined_uses([*found, Uses(tuple(self._named(path)))])

    def _named(self, path: str) -> Iterator[str]:
        """Yield the paths of the modules that texts name in a module which imports one by a computed name."""
        package = self._modules.full_name(path)
        if not path.endswith("/__init__.py"):
            package = package.rpartition(".")[0]
        for text in self._modules.facts(path).named:
            for name in (f"{package}.{text.lstrip('.')}", *([] if text.startswith(".") else [text])):
                if self._modules.path_of(name) is not None:
                    yield from self._import_packages(name)[0]

    def uses_of(self, path: str, function: str) -> Uses:
        """Return what a call of a function or class of the module at `path` leads to, by the bases of the class."""
        owner, _, method = function.rpartition(".")
        found = []
        for name, base in self._modules.facts(path).bases:
            if base.startswith("metaclass="):
                meta = base.removeprefix("metaclass=")
                if name == owner and method == "__init_subclass__":
                    found += [self._use(path, f"{meta}.{one}()") for one in ("__new__", "__init__")]
            elif name == function:
                found.append(self._use(path, f"{base}()"))
            elif name == owner:
                found.append(self._use(path, f"{base}.{method}()"))
        return _joined_uses(found)

    def _use(self, path: str, use: str) -> Uses:
        """Return what the use of an imported name leads to, through the modules that pass it on."""
        full = self._modules.named(path, use.removesuffix("()"))
        reaches: dict[str, None] = {}
        seen: set[tuple[str, str]] = set()
        while full is not None:
            module, rest = self._split_name(full)
            for package, name in _steps_to(module):
                reaches.update(dict.fromkeys(self._import_lazily(package, name)))
            first, _, others = rest.partition(".")
            target = self._modules.path_of(module) if first else None
            if target is None or (module, first) in seen:
                break
            seen.add((module, first))
            lazy = self._import_lazily(module, first)
            reaches.update(dict.fromkeys(lazy))
            full = self._origin_of(target, first)
            if full is None and lazy:
                full = f"{self._modules.full_name(lazy[-1])}.{first}"
            elif full is None and use.endswith("()"):
                return Uses(tuple(reaches), ((target, rest),))
            full = ".".join(filter(None, (full, others))) if full else None
        return Uses(tuple(reaches))

    def callee(self, path: str, name: str) -> tuple[str, str] | None:
        """Return the module and name of a function or class that the module at `path` knows by its full name.

        None if that isn't certain: it is looked up by imports that certainly run, of names that are bound once.
        """
        module, rest = self._split_name(self._modules.named(path, name) or "")
        target, seen = self._modules.path_of(module), set[str]()
        while target is not None and target not in seen and rest and "." not in rest:
            seen.add(target)
            binding = self._modules.facts(target).binding(rest)
            if binding is None or not self._is_bound_once(target, binding):
                return None
            if binding.kind is not NameKind.IMPORTED:
                return target, rest
            found = self._names.source_of(target, binding)
            target, rest = (found[0], found[1].name) if isinstance(found, tuple) else (None, "")
        return None

    def _is_bound_once(self, path: str, binding: Binding) -> bool:
        """Return whether only one statement of a module binds a name, to what has the same name in another module if it imports it."""
        facts = self._modules.facts(path)
        bound = {one.name for one in facts.bindings if one.line == binding.line}
        for one in facts.imports:
            star = one.names == STAR and not one.deferred and one.line > binding.line
            # One of several names has an alias, and facts don't say which.
            aliased = one.line == binding.line and len(one.names) > 1 and not bound.issuperset(one.names)
            if star or aliased:
                return False
        return binding.first == binding.line and (not facts.opaque or binding.kind is not NameKind.IMPORTED)

    def _use_all(self, path: str, statement: ImportStatement) -> Uses:
        """Return what a star import asks a module for whose list of names is computed."""
        target = self._modules.module_of(path, statement)
        facts = self._modules.facts(target) if target is not None else None
        if facts is None or facts.exported is not None or facts.binding("__all__") is None:
            return Uses()
        module = self._modules.absolute_name(path, statement) or ""
        names = {lazy.name for lazy in facts.lazy if lazy != ANY_SUBMODULE}
        return Uses(tuple(reached for name in sorted(names) for reached in self._import_lazily(module, name)))

    def _split_name(self, name: str) -> tuple[str, str]:
        """Return the module in a full name, and the rest of it."""
        module, rest = name, list[str]()
        while module and self._modules.path_of(module) is None:
            module, _, last = module.rpartition(".")
            rest.insert(0, last)
        return module, ".".join(rest)

    def _origin_of(self, path: str, name: str) -> str | None:
        """Return the full name of what a module imports as `name`, or by a star import; None if it doesn't."""
        binding = self._modules.facts(path).binding(name)
        source = None
        if binding is None:
            stars = [one for one in self._modules.facts(path).imports if one.names == STAR and not one.deferred]
            for target in filter(None, (self._modules.module_of(path, one) for one in stars)):
                if self._names.listed(target).has(name):
                    source = f"{self._modules.full_name(target)}.{name}"
        elif binding.kind in (NameKind.IMPORTED, NameKind.OTHER):
            found = self._names.source_of(path, binding)
            if isinstance(found, tuple):
                source = f"{self._modules.full_name(found[0])}.{found[1].name}"
        return source

    def _imported_names(self, module: str, statement: ImportStatement) -> Iterable[str]:
        if statement.names != STAR:
            return statement.names
        # A star import imports what __all__ names, submodules too.
        target = self._modules.path_of(module)
        return (self._modules.facts(target).exported or ()) if target else ()

    def _import_packages(self, module: str) -> tuple[dict[str, None], Lack | None]:
        """Import each package on the way to a module, and the module: their files, and what may be missing."""
        paths: dict[str, None] = {}
        uncertain: Lack | None = None
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            name = ".".join(parts[:count])
            found = self._modules.finder.find(name)
            if found is None:
                paths.update(dict.fromkeys(filter(None, [self._modules.finder.find_unusable(name)])))
                return paths, Lack(Reason.NO_MODULE, name)
            if found.path:
                paths[found.path] = None
            if not found.certain and uncertain is None:
                uncertain = Lack(Reason.UNCERTAIN, name)
        return paths, uncertain

    def _import_lazily(self, module: str, name: str) -> list[str]:
        """Return the paths of the modules that a package imports when it is asked for a name, by its table of lazy imports.

        The module that has the name may have such a table itself.
        """
        paths: dict[str, None] = {}
        pending, seen = [module], set[str]()
        while pending:
            package = pending.pop()
            target = self._modules.path_of(package)
            facts = self._modules.facts(target) if target is not None and package not in seen else None
            if target is None or facts is None or not facts.lazy or self._binds_itself(target, name):
                continue
            seen.add(package)
            for lazy in facts.lazy:
                known = lazy.name == name or lazy == ANY_SUBMODULE
                source = self._lazy_module(package, lazy, name) if known else None
                if source is not None:
                    paths.update(self._import_packages(source)[0])
                    pending.append(source)
                    break
        return list(paths)

    def _binds_itself(self, target: str, name: str) -> bool:
        """Return whether a module has a name without its table: not by `__getattr__`, nor only by imports that may not run."""
        facts = self._modules.facts(target)
        imports = [one for one in facts.imports if name in one.names]
        return not facts.answers(name) and (not imports or any(one.certain for one in imports))

    def _lazy_module(self, package: str, lazy: LazyName, name: str) -> str | None:
        """Return the full name of the module that a package imports for a name, if there is one."""
        if lazy == ANY_SUBMODULE:
            names = [f"{package}.{name}"]
        elif lazy.module.startswith("."):
            found = self._modules.named(self._modules.path_of(package) or "", lazy.module)
            names = [found] if found else []
        else:
            names = [f"{package}.{lazy.module}", lazy.module]
        return next((one for one in names if self._modules.path_of(one) is not None), None)

    def _import_name(
        self, path: str, statement: ImportStatement, module: str, name: str
    ) -> tuple[str | None, Lack | None]:
        """Return the file of the submodule that `from module import name` runs, and what it lacks.

        Both are None if the module has the name, and neither if the submodule is compiled for another Python or system.
        """
        package, target = self._modules.finder.find(module), self._modules.path_of(module)
        if package is None or (target and self._names.binds(target, name, path, statement)):
            return None, None
        if statement.read and package.origin is not ModuleOrigin.STANDARD_LIBRARY:
            return None, None
        full = f"{module}.{name}"
        submodule = self._modules.finder.find(full)
        if submodule is not None:
            return submodule.path, None
        if package.is_namespace:
            return self._modules.finder.find_unusable(full), Lack(Reason.NO_MODULE, full, wanted=full)
        if package.origin is ModuleOrigin.STANDARD_LIBRARY:
            missing = absence_of(module, name, self._modules.python) is not None
        else:
            missing = target is not None and self._names.certainly_lacks(target, name)
        unusable = self._modules.finder.find_unusable(full)
        lack = Lack(Reason.NO_MODULE, full, wanted=full) if unusable else Lack(Reason.NO_NAME, module, name)
        return unusable, lack if missing else None


def _steps_to(module: str) -> Iterator[tuple[str, str]]:
    """Yield each package around a module with the name in it that leads to the module."""
    parts = module.split(".")
    yield from ((".".join(parts[:count]), parts[count]) for count in range(1, len(parts)))


def _joined_uses(parts: Iterable[Uses]) -> Uses:
    found = list(parts)
    return Uses(
        tuple(dict.fromkeys(path for one in found for path in one.reaches)),
        tuple(dict.fromkeys(call for one in found for call in one.calls)),
    )
