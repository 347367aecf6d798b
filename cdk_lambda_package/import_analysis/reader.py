"""Reads what a module's source says: its imports, each with what it depends on, and the names that it binds."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from itertools import islice, takewhile
from operator import itemgetter

from tree_sitter import Node

from cdk_lambda_package.import_analysis.answered_names import answered_names, answerer_factories, changes_module
from cdk_lambda_package.import_analysis.collector import SHOWING, Context, FactsCollector, Scope, is_given_module_name
from cdk_lambda_package.import_analysis.computed_imports import read_computed
from cdk_lambda_package.import_analysis.conditions import Flag, NameTable
from cdk_lambda_package.import_analysis.facts import STAR, ImportStatement, ModuleFacts, NameKind, StartedCall
from cdk_lambda_package.import_analysis.guards import (
    always_raises,
    attribute_handler,
    flags_of,
    forgives,
    import_handler,
    leaves,
)
from cdk_lambda_package.import_analysis.lazy_tables import read_lazy_tables
from cdk_lambda_package.import_analysis.meddlers import meddlers_of, uses_at_start
from cdk_lambda_package.import_analysis.opened_libraries import OpenedLibraries
from cdk_lambda_package.import_analysis.passed_modules import passed_names
from cdk_lambda_package.import_analysis.places import WordPlaces, places_of
from cdk_lambda_package.import_analysis.source import (
    UndecodableError,
    aliases_of,
    arguments_of,
    body_of,
    code_of,
    decode_source,
    dotted_name_of,
    is_too_large,
    line_of,
    name_of,
    parse,
    part_of,
    parts_of,
    refuses_arguments,
    split_relative,
    takes_arguments,
    without_docstrings,
)
from cdk_lambda_package.import_analysis.started_functions import StartedFunctions, arguments_given
from cdk_lambda_package.import_analysis.uses import Function, UseReader
from cdk_lambda_package.target import PythonVersion, standard_presence

# An assignment to an attribute of a name, or of an attribute of it; at a line's beginning, as statements are. The pattern begins
# with a literal and never goes back, which makes it five times faster.
_ASSIGNED = re.compile(rb"\n[ \t]*+(?!self\.)(\w++)\.[\w.]++[ \t]*+[=:,]")
_OWNER = re.compile(rb"(?<!\w)(\w++)\.")
_IN_WORD = re.compile(rb"\w")
# Up to so many names, looking for each is faster than looking at all names with attributes; a module made to be slow has thousands.
_FEW_NAMES = 30
# Statements of a class or function that have none of these, nor an effect, matter to no other statement.
_MARKS = (b"__all__", b"__name__", b"except")
# In a module with one of these, names of functions and classes matter too.
_CHALICE = b"Chalice"

# Binds the members of a class in its module: https://docs.python.org/3/library/enum.html#enum.global_enum.
_MEMBERS_TO_MODULE = "enum.global_enum"
_CONSTANTS = frozenset({"false", "integer", "none", "string", "true"})
_IMPORT_STATEMENTS = frozenset({"future_import_statement", "import_from_statement", "import_statement"})
# What Lambda calls a handler with: the event and the context.
_HANDLER_ARGUMENTS = 2
# https://scientific-python.org/specs/spec-0001/#type-checkers
_STUB_READER = "attach_stub"


def read_module(source: bytes, python: PythonVersion) -> ModuleFacts:
    """Return what a module's source says to this version of Python on Lambda; unreadable source is `opaque`.

    Example:
        `read_module(b"import yaml", (3, 13)).imports[0].module` is "yaml".
    """
    if is_too_large(source):
        return ModuleFacts(opaque=True)
    try:
        code = without_docstrings(decode_source(source).encode(errors="replace"))
        root = parse(code)
        collector = FactsCollector(python, code)
        reader = _Reader(collector, root, code, python)
        _read_root(root, reader, collector)
        reader.opened.note_functions()
        meddlers, origins = meddlers_of(root), collector.names.origins
        if uses_at_start(root, meddlers):
            collector.note_unreadable()
        facts = collector.facts(meddlers)
        functions, uses = StartedFunctions(facts, root, code, collector.names), UseReader(root, code, origins)
        used, started = uses.started()
        imports, names = _placed(functions.imports(), uses, started)
        importers, computed = read_computed(root, code, origins, python)
        return replace(
            facts,
            imports=imports,
            runs=functions.runs(),
            started=reader.started(),
            uses=used,
            named=uses.named,
            calls=uses.callers(names),
            bases=uses.bases(),
            lazy=read_lazy_tables(root, code),
            opened=tuple(reader.opened.found),
            openers=reader.opened.openers,
            factories=tuple(answerer_factories(root, code)),
            passed=passed_names(root, code, origins, python),
            importers=importers,
            computed=computed,
        )
    except (UndecodableError, RecursionError):
        # Too much recursion: statements are nested deeper than CPython compiles, or one `if … else` in another, hundreds of them.
        return ModuleFacts(opaque=True)


def _placed(
    imports: tuple[ImportStatement, ...], uses: UseReader, started: Iterable[Function]
) -> tuple[tuple[ImportStatement, ...], dict[str, None]]:
    """Return imports of which those in functions that run at import aren't deferred, and the names of the other functions."""
    lines = frozenset(line for function in started for line in range(function.first, function.last + 1))
    placed, names = list(imports), dict[str, None]()
    for index, statement in enumerate(placed):
        if statement.deferred and statement.line in lines:
            placed[index] = statement._replace(deferred=False)
        elif statement.deferred and (function := uses.function_around(statement.line)) is not None:
            placed[index] = statement._replace(function=function.name)
            names[function.name] = None
    return tuple(placed), names


def _read_root(root: Node, reader: _Reader, collector: FactsCollector) -> None:
    broken = root.has_error
    if broken:
        collector.note_unreadable()
    for statement in parts_of(root):
        # After an error, a statement may have slipped out of its block, unless it is at a line's beginning.
        trusted = not broken or (not statement.has_error and statement.start_point[1] == 0)
        try:
            reader.read(statement, Context() if trusted else Context().doubt())
        except (LookupError, TypeError, ValueError):
            # The grammar promises the parts of a statement only where it could read it.
            if not statement.has_error:
                raise


class _Reader:
    """Reads statements, each in the context of those around it: `_read_<type>` those of a type of the grammar."""

    def __init__(self, collector: FactsCollector, root: Node, code: bytes, python: PythonVersion) -> None:
        self._collector = collector
        self._root = root
        self._names = collector.names
        self._code = code
        self.opened = OpenedLibraries(root, code, collector.names)
        self._python = python
        self._started: dict[str, StartedCall] = {}
        # Methods by the types of nodes, looked up once. They aren't bound: a reader that refers to itself would keep the module's
        # tree until the garbage collector comes.
        self._readers: dict[str, Callable[[_Reader, Node, Context], None]] = {}
        self._marks = WordPlaces(code, _MARKS)
        # Searched in the whole module, since most modules have none of these in any function.
        self._assigned = frozenset(name.decode() for name in _ASSIGNED.findall(code))
        # Answers to the question whether a module is installed, and subclasses of `Chalice`, are known by any name.
        self._reads_all = self._names.asks or _CHALICE in code

    def read(self, node: Node, context: Context) -> None:
        """Read a statement with the statements in it."""
        if context.scope is Scope.MODULE or self._matters(node):
            self._read(node, context)

    def _matters(self, node: Node | None) -> bool:
        """Return whether a statement or block of a class or function may matter to the module."""
        if self._reads_all or node is None:
            return self._reads_all
        start, end = node.start_byte, node.end_byte
        return (
            self._collector.effects.between(start, end)
            or self._marks.between(start, end)
            or self._gives_names_between(start, end)
        )

    def _read(self, node: Node, context: Context) -> None:
        kind = node.type
        if kind not in self._readers:
            self._readers[kind] = getattr(_Reader, f"_read_{kind.lower()}", _Reader._scan)
        self._readers[kind](self, node, context)

    def _scan(self, node: Node, context: Context) -> None:
        self._collector.scan(node, context)

    def _read_error(self, node: Node, context: Context) -> None:
        self._read_block(node, context)

    def _read_block(self, block: Node | None, context: Context) -> None:
        if context.scope is not Scope.MODULE and not self._matters(block):
            return
        for statement in parts_of(block):
            self.read(statement, context)
            if context.scope is Scope.FUNCTION and self._names.knows_imports and statement.type == "if_statement":
                context = self._after_if(statement, context)

    # Imports

    def _read_import_statement(self, node: Node, context: Context) -> None:
        for item in node.children_by_field_name("name"):
            name, alias = _split_alias(item)
            module = dotted_name_of(name) or ""
            self._collector.add_import(module, 0, (), line_of(node), context)
            # `import a.b` binds a, `import a.b as c` binds a.b.
            first = parts_of(name)[0]
            origin = module if alias else name_of(first)
            self._collector.bind(alias or first, NameKind.MODULE, context, origin=origin, line=line_of(node))

    def _read_import_from_statement(self, node: Node, context: Context) -> None:
        source = part_of(node, "module_name")
        if source is None:
            return
        module, level = split_relative(source)
        items = [_split_alias(item) for item in node.children_by_field_name("name")]
        star = any(part.type == "wildcard_import" for part in parts_of(node))
        names = STAR if star else tuple(dotted_name_of(name) or "" for name, _ in items)
        self._collector.add_import(module, level, names, line_of(node), context)
        if star and context.scope is Scope.MODULE:
            # It may bind any name anew.
            self._names.forget_values()
        for name, alias in items:
            origin = f"{'.' * level}{module}{'.' if module else ''}{dotted_name_of(name)}"
            self._collector.bind(alias or name, NameKind.IMPORTED, context, origin=origin, line=line_of(node))

    def _read_future_import_statement(self, node: Node, context: Context) -> None:
        for item in node.children_by_field_name("name"):
            self._collector.bind_target(part_of(item, "alias") or item, NameKind.OTHER, context)

    # Other statements without statements in them

    def _read_expression_statement(self, node: Node, context: Context) -> None:
        self._collector.scan(node, context)
        if context.scope is Scope.MODULE and context.certain:
            self.opened.note(node)
            if not (context.guards or context.if_missing or context.if_found or context.tolerant):
                self._note_call(node)
        (expression, *_) = parts_of(node) or [node]
        match expression.type:
            case "assignment":
                self._read_assignment(expression, context)
            case "augmented_assignment":
                self._read_augmented(expression, context)
            case "call":
                self._read_call(expression, context)

    def _note_call(self, statement: Node) -> None:
        """Note what `f()` or `x = f()` calls, if it is imported and isn't of the standard library."""
        (value, *_) = parts_of(statement)
        while value.type == "assignment" and (right := part_of(value, "right")) is not None:
            value = right
        name = dotted_name_of(part_of(value, "function")) if value.type == "call" else None
        first, _, rest = (name or "").partition(".")
        # Not that of an import in a function or class.
        origin = self._names.settled(first)
        if name is None or not origin or name in self._started:
            return
        if standard_presence(origin.partition(".")[0], self._python) is None:
            given = arguments_given(name, self._root, self._code)
            self._started[name] = StartedCall(".".join(filter(None, (origin, rest))), given, line_of(statement))

    def started(self) -> tuple[StartedCall, ...]:
        """Return the calls of imported functions and classes that certainly run."""
        return tuple(self._started.values())

    def _read_assignment(self, node: Node, context: Context) -> None:
        targets, value = [part_of(node, "left")], part_of(node, "right")
        while value is not None and value.type == "assignment":
            targets.append(part_of(value, "left"))
            value = part_of(value, "right")
        if value is not None and value.type == "call" and self._reads_stub(value):
            self._collector.add_stub(line_of(node), context)
        # An annotation alone binds nothing.
        if value is not None:
            self._collector.assign([target for target in targets if target is not None], value, context)

    def _reads_stub(self, call: Node) -> bool:
        """Return whether a call is `attach_stub(__name__, __file__)` of lazy_loader, or of a copy of it."""
        name = self._names.origin_of(part_of(call, "function")) or ""
        given = b"".join(map(code_of, arguments_of(call)))
        # Imported, and not one of the module's own.
        return name.rpartition(".")[2] == _STUB_READER != name and given.endswith(b"__file__")

    def _read_augmented(self, node: Node, context: Context) -> None:
        target, value = part_of(node, "left"), part_of(node, "right")
        if target is not None and code_of(target) == b"__all__" and context.scope is Scope.MODULE:
            self._collector.extend_exports(value, context)
        elif target is not None:
            self._collector.bind_target(target, NameKind.OTHER, context, value)

    def _read_call(self, node: Node, context: Context) -> None:
        function, arguments = part_of(node, "function"), arguments_of(node)
        name = dotted_name_of(function)
        if name in ("__all__.append", "__all__.extend"):
            argument = arguments[0] if len(arguments) == 1 else None
            self._collector.extend_exports(argument, context, one=name.endswith("append"))
        elif name is not None and name.startswith("__all__."):
            self._collector.extend_exports(None, context)
        elif is_given_module_name(node) and (name or "").rpartition(".")[2] not in SHOWING:
            # The result isn't used, so the call is there for its effect on the module.
            self._collector.note_unreadable()

    def _read_delete_statement(self, node: Node, context: Context) -> None:
        self._collector.scan(node, context)
        for target in parts_of(node):
            self._collector.delete(target, context)

    def _read_global_statement(self, node: Node, context: Context) -> None:
        if context.scope is not Scope.MODULE:
            for name in parts_of(node):
                self._collector.bind(name, NameKind.OTHER, context._replace(scope=Scope.MODULE, straight=False))
            self._names.forget_values(
                map(name_of, parts_of(node)), later=line_of(node) if context.scope is Scope.FUNCTION else None
            )

    def _read_type_alias_statement(self, node: Node, context: Context) -> None:
        self._collector.bind_target(part_of(node, "left"), NameKind.OTHER, context)

    # Definitions

    def _read_function_definition(self, node: Node, context: Context, *, replaced: NameKind | None = None) -> None:
        name, parameters, body = part_of(node, "name"), part_of(node, "parameters"), part_of(node, "body")
        self._collector.scan(parameters, context)
        if name is not None:
            # A method's kind matters to nothing.
            known = replaced or (_kind_of(node, parameters) if context.scope is Scope.MODULE else NameKind.FUNCTION)
            self._collector.bind(name, known, context)
            if body is not None and self._names.asks_for_module(body):
                self._names.asked.add(code_of(name))
        opaque = self._collector.opaque
        if self._collector.effects.within(body) or self._gives_names(body):
            self._read_block(body, Context(scope=Scope.FUNCTION, certain=False, straight=False))
        if name is not None and code_of(name) == b"__getattr__" and context.scope is Scope.MODULE and replaced is None:
            self._read_answers(node, opaque=opaque)

    def _read_answers(self, function: Node, *, opaque: bool) -> None:
        """Read the names that the module's `__getattr__` has an answer to; `opaque` is what was known before it."""
        found = answered_names(function, self._root, self._collector.answerers)
        if found is None:
            return
        names, passed_to = found
        if opaque == self._collector.opaque or not changes_module(function, names, self._root):
            self._collector.note_answers(function, names, passed_to=passed_to, opaque=opaque)

    def _gives_names(self, node: Node | None) -> bool:
        """Return whether a function or statement seems to assign to attributes of something that is imported."""
        return node is not None and self._gives_names_between(node.start_byte, node.end_byte)

    def _gives_names_between(self, start: int, end: int) -> bool:
        origins = self._names.origins
        if not self._assigned or self._assigned.isdisjoint(origins):
            return False
        places = self._owners
        index = bisect_left(places, start, key=itemgetter(0))
        inside = takewhile(lambda place: place[0] < end, islice(places, index, None))
        return any(name in origins for _, name in inside)

    @cached_property
    def _owners(self) -> list[tuple[int, str]]:
        """Where the names that are assigned to attributes of are followed by a dot, in order."""
        code, names = self._code, self._assigned
        if len(names) > _FEW_NAMES:
            found = ((match.start(), match[1].decode(errors="replace")) for match in _OWNER.finditer(code))
            return [(place, name) for place, name in found if name in names]
        places = ((place, name) for name in names for place in places_of(f"{name}.".encode(), code))
        return sorted((place, name) for place, name in places if not _IN_WORD.match(code, place - 1, place))

    def _read_class_definition(self, node: Node, context: Context, *, decorated: bool = False) -> None:
        name, bases = part_of(node, "name"), part_of(node, "superclasses")
        self._collector.scan(bases, context)
        if name is not None:
            counts = context.scope is Scope.MODULE and not decorated
            misfit = counts and refuses_arguments(node, _HANDLER_ARGUMENTS)
            kind = NameKind.OTHER if decorated else NameKind.MISFIT if misfit else NameKind.CLASS
            self._collector.bind(name, kind, context)
            self._names.note_class(name_of(name), parts_of(bases))
        scope = Scope.FUNCTION if context.scope is Scope.FUNCTION else Scope.CLASS
        self._read_block(part_of(node, "body"), context._replace(scope=scope))

    def _read_decorated_definition(self, node: Node, context: Context) -> None:
        definition = part_of(node, "definition")
        decorators = [part for part in parts_of(node) if part.type == "decorator"]
        for part in decorators:
            self._collector.scan(part, context)
            if self._names.origin_of(next(iter(parts_of(part)), None)) == _MEMBERS_TO_MODULE:
                self._collector.note_unreadable()
        if definition is not None and definition.type == "function_definition":
            kind = NameKind.VIEW if all(map(self._names.registers_view, decorators)) else NameKind.DECORATED
            self._read_function_definition(definition, context, replaced=kind)
        elif definition is not None:
            self._read_class_definition(definition, context, decorated=True)

    # Conditions

    def _read_if_statement(self, node: Node, context: Context) -> None:
        for clause in (node, *node.children_by_field_name("alternative")):
            condition = part_of(clause, "condition")
            holds = self._read_condition(condition, context)
            body = part_of(clause, "consequence") or body_of(clause)
            if holds is None and condition is not None:
                self._read_block(body, self._narrow(context, condition, holds=True))
                context = self._narrow(context, condition, holds=False)
            elif holds:
                self._read_block(body, context)
                return  # the other clauses never run

    def _narrow(self, context: Context, condition: Node, *, holds: bool) -> Context:
        """Return the context of what runs only if a condition holds, or only if it doesn't."""
        told = list(self._collector.conditions.told_by(condition, holds=holds))
        found = tuple(index for one in told if one.found for index in one.imports)
        failed = next((one for one in told if not one.found and one.imports), None)
        if failed is not None and not context.if_missing:
            narrowed = context.branch() if failed.exact else context.doubt()
            return narrowed._replace(if_missing=failed.imports, if_found=(*context.if_found, *found))
        sure = bool(told) and all(one.found and one.exact for one in told)
        narrowed = context.branch() if sure else context.doubt()
        context = narrowed._replace(if_found=(*context.if_found, *found), there=(*context.there, *found))
        asked = any(one.found and not one.imports for one in told) or self._names.asks_for_module(condition)
        return context.guard() if asked else context

    def _after_if(self, if_statement: Node, context: Context) -> Context:
        """Return the context of the statements after an `if`, as after `if orjson is None: return`."""
        condition = part_of(if_statement, "condition")
        if condition is None or not leaves(if_statement, self._names):
            return context
        return self._narrow(context, condition, holds=False)

    def _read_condition(self, condition: Node | None, context: Context) -> bool | None:
        """Return whether a branch runs, None if that is unknown; one without a condition runs."""
        if condition is None:
            return True
        self._collector.scan(condition, context)
        return self._collector.conditions.holds(condition)

    def _read_while_statement(self, node: Node, context: Context) -> None:
        holds = self._read_condition(part_of(node, "condition"), context)
        if holds is not False:
            self._read_block(part_of(node, "body"), context.branch() if holds else context.doubt())
        self._read_else(node, context)

    def _read_else(self, node: Node, context: Context) -> None:
        self._read_block(body_of(part_of(node, "alternative")), context.doubt())

    def _read_for_statement(self, node: Node, context: Context) -> None:
        self._collector.scan(part_of(node, "right"), context)
        self._collector.bind_target(part_of(node, "left"), NameKind.OTHER, context.branch())
        self._collector.note_loop(part_of(node, "left"), part_of(node, "right"))
        self._read_block(part_of(node, "body"), context.doubt())
        self._read_else(node, context)

    def _read_match_statement(self, node: Node, context: Context) -> None:
        for subject in node.children_by_field_name("subject"):
            self._collector.scan(subject, context)
        doubted = context.doubt()
        for clause in parts_of(part_of(node, "body") or node):
            for part in parts_of(clause):
                if part.type == "case_pattern":
                    # Names of classes and values too: a module with too many names is never blamed for a missing one.
                    self._collector.bind_target(part, NameKind.OTHER, doubted)
            self._collector.scan(part_of(clause, "guard"), doubted)
            self._read_block(part_of(clause, "consequence"), doubted)

    # What survives failures

    def _read_with_statement(self, node: Node, context: Context) -> None:
        for part in parts_of(node):
            if part.type == "with_clause":
                self._collector.scan(part, context)
                for target in aliases_of(part):
                    self._collector.bind_target(target, NameKind.OTHER, context)
        self._read_block(part_of(node, "body"), context.guard() if forgives(node, self._names) else context)

    def _read_try_statement(self, node: Node, context: Context) -> None:
        parts = parts_of(node)
        clauses = [part for part in parts if part.type in ("except_clause", "except_group_clause")]
        handler = import_handler(clauses)
        fatal = handler is not None and always_raises(body_of(clauses[handler]), self._names)
        start, before = self._collector.count, dict(self._names.constants)
        inner = context.branch() if clauses else context
        body = inner if handler is None or fatal else context.guard(since=start)
        reading = attribute_handler(clauses)
        if reading is not None and not always_raises(body_of(clauses[reading]), self._names):
            both = reading == handler
            body = (inner if both else body).forgive(imports=both)
        others = [clause for index, clause in enumerate(clauses) if index != handler]
        if not all(always_raises(body_of(clause), self._names) for clause in others):
            body = body._replace(tolerant=True)
        self._read_tried(part_of(node, "body"), body, interruptible=bool(clauses) and handler is None)
        failing = self._collector.uncaught_since(start, body)
        missing = self._collector.uncaught_since(start, body, reads=True)
        for index, clause in enumerate(clauses):
            known = (failing if index == handler else ()) + (missing if index == reading else ())
            self._read_block(body_of(clause), inner._replace(if_missing=known) if known else inner.doubt())
        for part in parts:
            if part.type == "else_clause":
                found = (*context.if_found, *failing) if handler is not None else context.if_found
                certain = inner if _reaches_else(node, clauses, self._names) else inner.doubt()
                self._read_block(body_of(part), certain._replace(if_found=found))
            elif part.type == "finally_clause":
                self._read_block(body_of(part), context)
        if handler is not None:
            exact = all(map(_only_imports_or_notes, parts_of(part_of(node, "body"))))
            for name, there, missed in flags_of(node, clauses[handler], before, self._collector.conditions):
                self._names.flags[name] = Flag(failing, there, missed, exact=exact)

    def _read_tried(self, block: Node | None, context: Context, *, interruptible: bool) -> None:
        """Read the body of a `try`; `interruptible` if a handler goes on when a statement fails that isn't an import."""
        for statement in parts_of(block):
            self.read(statement, context)
            if statement.type in _IMPORT_STATEMENTS:
                continue
            if interruptible:
                context = context.doubt()
            if statement.type != "expression_statement" or b"(" in code_of(statement):
                # A function may raise ImportError itself.
                context = context._replace(since=None)


def _kind_of(function: Node, parameters: Node | None) -> NameKind:
    if function.child_count and function.child(0).type == "async":
        return NameKind.COROUTINE
    return NameKind.FUNCTION if takes_arguments(parameters, _HANDLER_ARGUMENTS) else NameKind.MISFIT


def _only_imports_or_notes(statement: Node) -> bool:
    """Return whether a statement of a `try` fails in no other way than by an import: it imports, or notes a constant."""
    if statement.type != "expression_statement":
        return statement.type in _IMPORT_STATEMENTS
    value: Node | None = parts_of(statement)[0]
    while value is not None and value.type == "assignment":
        value = part_of(value, "right")
    return value is not None and value.type in _CONSTANTS


def _reaches_else(node: Node, clauses: list[Node], names: NameTable) -> bool:
    """Return whether a `try` goes on to its `else` if its imports succeed, or doesn't go on at all."""
    only_imports = all(part.type in _IMPORT_STATEMENTS for part in parts_of(part_of(node, "body")))
    return only_imports or all(always_raises(body_of(clause), names) for clause in clauses)


def _split_alias(item: Node) -> tuple[Node, Node | None]:
    """Return what is imported, and the name after its `as`."""
    if item.type != "aliased_import":
        return item, None
    return part_of(item, "name") or item, part_of(item, "alias")
