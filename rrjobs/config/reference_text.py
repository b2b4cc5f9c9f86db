"""The prose around the tables of docs/configuration.md."""

INTRO = """\
# Configuration

This page is generated from the models by `python -m rrjobs.config.reference > docs/configuration.md`.

rrjobs reads RoadRunner's configuration file, `.rr.yaml` version "3". `rrjobs config check` says everything that is
wrong with one, `rrjobs config show` every value it comes to and where each came from, and `rrjobs config schema` prints
a JSON Schema for editors, which is also in `config/schema.json`:

```yaml
# yaml-language-server: $schema=config/schema.json
version: "3"
server:
  command: "php worker.php"
http:
  address: 127.0.0.1:8080
```

Examples are in `config/`: `http.yaml`, `jobs-memory.yaml`, `any.yaml` and, with every key, `full.yaml`.

## The file

- It is `.rr.yaml` in the current directory, or the one named by `-c`. `-w` changes the directory first, and `-c` is
  relative to it. Without `-w`, the file's own directory becomes the working directory: commands, sockets and included
  files are relative to it.
- YAML, or JSON in a file of any name. Scalars are read by YAML 1.2: `yes` and `on` are texts, and still true where a
  boolean is wanted. A key given twice is an error.
- Keys are in lower case, however they are written. A dot in a key separates levels: `pool.debug: true` is the key
  `debug` of `pool`; names with dots are impossible, except within lists.
- A key with nothing behind it, as in `http:`, counts as absent; `http: {}` is a section.
- Top-level keys that begin with `x-` are not read; they are a place for YAML anchors.
- Values may be written loosely, as in RoadRunner: `"4"` is a number, `"true"` a boolean, `a,b` a list, and a list of
  one-entry maps a map.
- **A number of a duration without a unit is nanoseconds**, as in RoadRunner: `30` is next to nothing, `30s` is meant. A
  warning says so. Keys whose type is *seconds* take a bare number as seconds.

## Order

1. The file named by `--dotenv`, or by the environment variable `DOTENV_PATH`, which wins, brings variables that are not
   set yet.
2. The configuration file is read, and then the file that its `envfile` names.
3. Variables in values are replaced.
4. `-o key.path=value` overrides, any number of times; variables in them are replaced too.
5. The version is checked.
6. Each file of `include` is read, its variables are replaced, and its sections take the place of those so far, **also
   of what `-o` set**. Later files win. All have the same `version`.

## Variables

| Text | Result |
|---|---|
| `$NAME`, `${NAME}` | the value; nothing when unset |
| `${NAME:-default}` | the value, or the default when unset or empty |
| `${A}` beside any `${B:-x}` in one value | the whole value becomes empty: once `:-` occurs, every reference needs a \
default, `${A:-}`. A warning says so |
| `${A:-B:-C}` | the whole value becomes empty |
| `$` at the end or before a space | stays |
| `${}`, `${A` | nothing; `A` |
| `$1`, `$*`, `$$` | variables of one character, normally empty; a dollar sign cannot be escaped |

Keys are not expanded.

## Errors and warnings

All errors are told at once, each as `file:line:column: key.path: what is wrong, what would be right`, and nothing is
started. Unknown keys are errors; so are keys of features that do not exist yet, which are never silently ignored. A few
keys that RoadRunner files carry without effect are accepted with a warning; they are listed with their sections.

`config show` and error messages hide values of keys that name a password, secret, token or key, and passwords in
addresses.

## What differs from RoadRunner

| | RoadRunner | rrjobs |
|---|---|---|
| unknown keys | ignored | errors |
| an unknown or missing driver of a pipeline | logged, the pipeline is skipped | error |
| a list with texts and other values | loses the others | is kept |
| `endure` | cannot be overridden, expanded or included | like every section |
| a number without unit for a duration | nanoseconds | nanoseconds, with a warning |
| durations with a zero | the default, where there is one | the same |
| a comma in a command whose first part has spaces | a program that cannot be found | error that says so |
| `jobs.consume` names an unknown pipeline | ignored | ignored, with a warning |
| `http` or `jobs` without a `server.command` | does not start, silently | error |
"""

SECTIONS = """\
## Sections

Types: *duration* is a text such as `30s`, `300ms` or `1h3m`; *seconds* is a number of seconds or a duration. A default
of `0s` or 0 means off where nothing else is said.
"""
