"""Files that configure programs, and descriptions of what programs are made of."""

from .parts import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    STRING,
    URI,
    Schema,
    array,
    either,
    matching,
    nullable,
    one_of_words,
    open_record,
    real,
    record,
    ref,
    table_of,
    tagged,
    text,
    whole,
    with_definitions,
)

PORT = whole(1, 65535)
VERSION = matching(r"^\d+\.\d+\.\d+$")
NAME = matching("^[a-z][a-z0-9-]{0,62}$")
QUANTITY = matching("^[0-9]+(m|Mi|Gi)?$")

COMPILER_SWITCHES = (
    "strict", "noImplicitAny", "strictNullChecks", "allowJs", "checkJs", "declaration", "sourceMap", "removeComments",
    "noEmit", "isolatedModules", "esModuleInterop", "skipLibCheck", "incremental", "composite", "noUnusedLocals",
    "noUnusedParameters", "noImplicitReturns", "preserveConstEnums",
)  # fmt: skip

SCHEMAS: dict[str, Schema] = {
    "server": record({"host": STRING, "port": PORT, "workers?": whole(1, 64), "tls?": BOOLEAN}),
    "database": record(
        {
            "url": matching("^(postgres|mysql)://.+$"),
            "pool_size?": whole(1, 100),
            "timeout_s?": real(0, 60),
            "ssl_mode?": one_of_words("disable", "prefer", "require"),
        }
    ),
    "logging": open_record(
        {
            "version": {"const": 1},
            "loggers?": table_of(record({"level": one_of_words("DEBUG", "INFO", "WARNING", "ERROR")})),
            "handlers?": table_of(open_record({"class": STRING})),
        }
    ),
    "package_manifest": open_record(
        {
            "name": matching("^(@[a-z0-9-]+/)?[a-z0-9-]+$"),
            "version": VERSION,
            "description?": STRING,
            "license?": STRING,
            "private?": BOOLEAN,
            "scripts?": table_of(STRING),
            "dependencies?": table_of(STRING),
            "devDependencies?": table_of(STRING),
            "keywords?": array(STRING),
            "repository?": either(STRING, record({"type": STRING, "url": URI})),
            "author?": either(STRING, record({"name": STRING, "email?": STRING})),
            "engines?": table_of(STRING),
        }
    ),
    "python_project": open_record(
        {
            "name": STRING,
            "version": STRING,
            "requires-python?": STRING,
            "dependencies?": array(STRING),
            "optional-dependencies?": table_of(array(STRING)),
            "scripts?": table_of(matching("^[a-z_.]+:[a-z_]+$")),
        }
    ),
    "compiler_options": {
        "type": "object",
        "properties": {
            **dict.fromkeys(COMPILER_SWITCHES, BOOLEAN),
            "target": one_of_words("es5", "es2020", "esnext"),
            "outDir": STRING,
            "paths": table_of(array(STRING)),
        },
        "additionalProperties": False,
    },
    "formatter": record(
        {"line_length?": whole(40, 200), "quotes?": one_of_words("single", "double"), "indent?": whole(1, 8)}
    ),
    "linter": record(
        {
            "rules": table_of(either(one_of_words("off", "warn", "error"), whole(0, 2))),
            "extends?": either(STRING, array(STRING)),
            "ignore?": array(STRING),
        }
    ),
    "ci_workflow": with_definitions(
        open_record(
            {"name": STRING, "on": array(one_of_words("push", "pull_request", "schedule")), "jobs": ref("jobs")}
        ),
        jobs={"type": "object", "additionalProperties": ref("job"), "minProperties": 1},
        job=open_record({"runs-on": STRING, "needs?": array(STRING), "steps": array(ref("step"), 1)}),
        step=either(
            record({"uses": STRING, "with?": table_of(either(STRING, NUMBER, BOOLEAN)), "name?": STRING}),
            record({"run": STRING, "name?": STRING, "env?": table_of(STRING)}),
        ),
    ),
    "compose_file": with_definitions(
        record({"services": ref("services"), "volumes?": table_of(record({})), "networks?": table_of(record({}))}),
        services={
            "type": "object",
            "patternProperties": {"^[a-z0-9_-]+$": ref("service")},
            "additionalProperties": False,
        },
        service=record(
            {
                "image": STRING,
                "command?": either(STRING, array(STRING)),
                "ports?": array(matching("^[0-9]{1,5}:[0-9]{1,5}$")),
                "environment?": either(table_of(nullable(STRING)), array(matching("^[A-Z_]+=.*$"))),
                "depends_on?": array(STRING, uniqueItems=True),
                "restart?": one_of_words("no", "always", "on-failure"),
            }
        ),
    ),
    "container_deployment": with_definitions(
        record(
            {
                "apiVersion": {"const": "apps/v1"},
                "kind": {"const": "Deployment"},
                "metadata": ref("metadata"),
                "spec": record(
                    {
                        "replicas": whole(0, 100),
                        "selector": record({"matchLabels": table_of(STRING)}),
                        "template": record(
                            {"metadata": ref("metadata"), "spec": record({"containers": array(ref("container"), 1)})}
                        ),
                    }
                ),
            }
        ),
        metadata=open_record({"name?": NAME, "labels?": table_of(STRING), "annotations?": table_of(STRING)}),
        container=record(
            {
                "name": NAME,
                "image": STRING,
                "ports?": array(record({"containerPort": PORT, "protocol?": one_of_words("TCP", "UDP")})),
                "env?": array(record({"name": matching("^[A-Z_][A-Z0-9_]*$"), "value": STRING})),
                "resources?": record({"limits?": ref("amounts"), "requests?": ref("amounts")}),
                "livenessProbe?": ref("probe"),
                "readinessProbe?": ref("probe"),
            }
        ),
        amounts=record({"cpu?": QUANTITY, "memory?": QUANTITY}),
        probe={
            "oneOf": [
                record({"httpGet": record({"path": STRING, "port": PORT}), "periodSeconds?": whole(1)}),
                record({"tcpSocket": record({"port": PORT}), "periodSeconds?": whole(1)}),
                record({"exec": record({"command": array(STRING, 1)}), "periodSeconds?": whole(1)}),
            ]
        },
    ),
    "container_service": record(
        {
            "apiVersion": {"const": "v1"},
            "kind": {"const": "Service"},
            "metadata": record({"name": NAME}),
            "spec": record(
                {
                    "type?": one_of_words("ClusterIP", "NodePort", "LoadBalancer"),
                    "selector": table_of(STRING),
                    "ports": array(record({"port": PORT, "targetPort": either(PORT, STRING), "name?": NAME}), 1),
                }
            ),
        }
    ),
    "cron_jobs": array(
        record({"schedule": matching("^([0-9*/,-]+ ){4}[0-9*/,-]+$"), "command": STRING, "enabled?": BOOLEAN}), 1
    ),
    "firewall": array(
        record(
            {
                "action": one_of_words("allow", "deny"),
                "from": {"type": "string", "format": "ipv4"},
                "ports": array(either(PORT, matching("^[0-9]{1,5}-[0-9]{1,5}$")), 1),
                "protocol": one_of_words("tcp", "udp", "any"),
            }
        )
    ),
    "proxy": record(
        {
            "listen": PORT,
            "upstreams": {
                "type": "object",
                "patternProperties": {"^[a-z]+$": array(URI, 1)},
                "additionalProperties": False,
            },
            "routes": array(record({"path": matching("^/.*$"), "to": STRING, "strip?": BOOLEAN})),
        }
    ),
    "editor_settings": open_record(
        {
            "theme?": one_of_words("light", "dark", "system"),
            "font_size?": whole(6, 72),
            "tab_size?": whole(1, 16),
            "rulers?": array(whole(1, 400), uniqueItems=True),
            "keymap?": array(record({"keys": STRING, "command": STRING, "when?": STRING})),
        }
    ),
    "training_run": record(
        {
            "model": record({"layers": whole(1, 200), "hidden": whole(1, multipleOf=8), "heads": whole(1, 128)}),
            "optimizer": tagged(
                "name",
                sgd={"lr": real(0, 10), "momentum?": real(0, 1)},
                adamw={"lr": real(0, 1), "betas?": array(real(0, 1), 2, 2), "weight_decay?": real(0, 1)},
            ),
            "batch_size": whole(1, 65536),
            "steps": whole(1),
            "precision": one_of_words("fp32", "bf16", "fp8"),
            "seed?": INTEGER,
        }
    ),
    "model_card": open_record(
        {
            "name": STRING,
            "license": STRING,
            "parameters": whole(1),
            "languages": array(matching("^[a-z]{2}$"), 1),
            "metrics?": array(record({"name": STRING, "value": NUMBER, "dataset": STRING})),
        }
    ),
    "chart": record(
        {
            "title?": STRING,
            "mark": one_of_words("bar", "line", "point", "area"),
            "encoding": {
                "type": "object",
                "properties": {
                    channel: record(
                        {
                            "field": STRING,
                            "type": one_of_words("quantitative", "ordinal", "nominal", "temporal"),
                            "aggregate?": one_of_words("sum", "mean", "count", "min", "max"),
                        }
                    )
                    for channel in ("x", "y", "color", "size")
                },
                "required": ["x", "y"],
                "additionalProperties": False,
            },
        }
    ),
    "page_layout": with_definitions(
        ref("box"),
        box=either(
            record({"text": STRING, "style?": ref("style")}),
            record({"image": URI, "alt": STRING}),
            record({"direction": one_of_words("row", "column"), "children": array(ref("box")), "style?": ref("style")}),
        ),
        style=record({"padding?": whole(0, 100), "color?": matching("^#[0-9a-fA-F]{6}$"), "bold?": BOOLEAN}),
    ),
    "form": record(
        {
            "title": STRING,
            "fields": array(
                tagged(
                    "type",
                    text={"name": STRING, "label": STRING, "required": BOOLEAN, "max_length?": whole(1)},
                    number={"name": STRING, "label": STRING, "required": BOOLEAN, "min?": NUMBER, "max?": NUMBER},
                    select={"name": STRING, "label": STRING, "required": BOOLEAN, "options": array(STRING, 1)},
                    checkbox={"name": STRING, "label": STRING},
                ),
                1,
            ),
        }
    ),
    "state_machine": record(
        {
            "initial": STRING,
            "states": table_of(record({"on?": table_of(STRING), "final?": BOOLEAN})),
        }
    ),
    "workflow": with_definitions(
        record({"start": STRING, "nodes": array(ref("node"), 1), "edges": array(ref("edge"))}),
        node=tagged(
            "kind", task={"id": STRING, "run": STRING}, gate={"id": STRING, "condition": STRING}, end={"id": STRING}
        ),
        edge=record({"from": STRING, "to": STRING, "label?": STRING}),
    ),
    "table_definition": record(
        {
            "table": matching("^[a-z_]+$"),
            "columns": array(
                record(
                    {
                        "name": matching("^[a-z_]+$"),
                        "type": either(
                            one_of_words("int", "text", "bool", "timestamp"),
                            matching(r"^varchar\([0-9]{1,4}\)$"),
                            matching(r"^decimal\([0-9]{1,2},[0-9]{1,2}\)$"),
                        ),
                        "nullable?": BOOLEAN,
                        "default?": either(STRING, NUMBER, BOOLEAN, {"type": "null"}),
                    }
                ),
                1,
            ),
            "primary_key": array(matching("^[a-z_]+$"), 1, uniqueItems=True),
        }
    ),
    "access_policy": record(
        {
            "version": {"const": "2012-10-17"},
            "statements": array(
                record(
                    {
                        "effect": one_of_words("Allow", "Deny"),
                        "actions": either(
                            matching(r"^[a-z0-9]+:[A-Za-z*]+$"), array(matching(r"^[a-z0-9]+:[A-Za-z*]+$"), 1)
                        ),
                        "resources": either(STRING, array(STRING, 1)),
                        "conditions?": table_of(table_of(STRING)),
                    }
                ),
                1,
            ),
        }
    ),
    "interface_description": with_definitions(
        open_record({"openapi": matching(r"^3\.[01]\.[0-9]$"), "info": ref("info"), "paths": ref("paths")}),
        info=open_record({"title": STRING, "version": STRING}),
        paths={"type": "object", "patternProperties": {"^/": ref("path")}, "additionalProperties": False},
        path={
            "type": "object",
            "properties": {method: ref("operation") for method in ("get", "put", "post", "delete", "patch")},
            "additionalProperties": False,
        },
        operation=open_record(
            {
                "operationId?": STRING,
                "summary?": STRING,
                "parameters?": array(ref("parameter")),
                "responses": {
                    "type": "object",
                    "patternProperties": {"^[1-5][0-9]{2}$": open_record({"description": STRING})},
                    "additionalProperties": False,
                    "minProperties": 1,
                },
            }
        ),
        parameter=open_record({"name": STRING, "in": one_of_words("query", "path", "header"), "required?": BOOLEAN}),
    ),
    "locale": table_of(either(STRING, table_of(STRING))),
    "colour_theme": {
        "type": "object",
        "properties": {name: matching("^#[0-9a-f]{6}$") for name in ("primary", "accent", "text", "back", "border")},
        "required": ["primary", "text", "back"],
        "additionalProperties": matching("^#[0-9a-f]{6}$"),
    },
    "device": record(
        {
            "serial": matching("^[0-9A-F]{12}$"),
            "firmware": VERSION,
            "sensors": array(
                tagged(
                    "kind",
                    temperature={"offset": real(-10, 10), "interval_s": whole(1, 3600)},
                    motion={"sensitivity": whole(1, 10)},
                    light={"threshold_lux": real(0)},
                )
            ),
        }
    ),
    "game_level": record(
        {
            "size": array(whole(1, 64), 2, 2),
            "tiles": array(array(whole(0, 9), 1, 64), 1, 64),
            "enemies": array(record({"kind": STRING, "at": array(whole(0, 63), 2, 2), "hp": whole(1, 999)})),
            "music?": nullable(URI),
        }
    ),
    "text_adventure": table_of(
        record(
            {"text": text(1), "choices": array(record({"say": STRING, "go": STRING}), high=6), "items?": array(STRING)}
        ),
        minProperties=1,
    ),
    "plugin": {
        "type": "object",
        "properties": {"id": NAME, "enabled": BOOLEAN, "settings": {"type": "object"}, "order": INTEGER},
        "required": ["id"],
        "dependentRequired": {"settings": ["enabled"]},
    },
    "cache_policy": {
        "type": "object",
        "properties": {"kind": one_of_words("lru", "ttl"), "size": whole(1), "seconds": whole(1)},
        "required": ["kind"],
        "if": {"properties": {"kind": {"const": "lru"}}, "required": ["kind"]},
        "then": {"required": ["size"]},
        "else": {"required": ["seconds"]},
        "additionalProperties": False,
    },
}
