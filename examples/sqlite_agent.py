"""Questions to a real SQLite file: the model writes SQL under a regex made from the file's own tables.

sprig is far too small for free SQL. It has seen a handful of forms (COUNT, MAX, AVG, a WHERE with one number), so the
tool's argument is constrained to just these, over the tables and columns that the file has: whatever the model writes
runs, and the file is opened read-only. That it is the right query, and that the answer quotes the result rightly,
nothing can promise: so both are printed next to each answer.
"""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Annotated

from msgspec import Meta

import palmette as pm

PRODUCTS = [("lamp", 45, 7), ("chair", 80, 4), ("mug", 9, 120), ("desk", 210, 2), ("pen", 6, 300)]
CUSTOMERS = [("Tamsin Velora", 34), ("Oke Brandt", 51), ("Mira Solano", 28)]


def create(path: Path) -> None:
    """A shop with two tables."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE products (name TEXT, price INTEGER, stock INTEGER)")
        connection.executemany("INSERT INTO products VALUES (?, ?, ?)", PRODUCTS)
        connection.execute("CREATE TABLE customers (name TEXT, age INTEGER)")
        connection.executemany("INSERT INTO customers VALUES (?, ?)", CUSTOMERS)


def connect(path: Path) -> sqlite3.Connection:
    """Read-only, so that no query can change the file."""
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)


def query_pattern(path: Path) -> str:
    """A regex of the queries that make sense on the file: one alternative a table, with its number columns."""
    queries = []
    with closing(connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in tables:
            columns = connection.execute("SELECT name FROM pragma_table_info(?) WHERE type = 'INTEGER'", (table,))
            column = f"({'|'.join(name for (name,) in columns)})"
            selected = rf"(\*|COUNT\(\*\)|(MAX|AVG)\({column}\))"
            queries.append(rf"SELECT {selected} FROM {table}( WHERE {column} [=<>] [0-9]{{1,6}})?")
    return f"^({'|'.join(queries)})$"


def sql_tool(path: Path) -> pm.ToolFunction[[str], str]:
    """The tool for one file: its parameter's type is made when the file is known."""
    query_type = Annotated[str, Meta(pattern=query_pattern(path))]

    @pm.tool
    def run_sql(query: query_type) -> str:  # type: ignore[valid-type]  # a type that only a run can know
        """Run an SQL query.

        Args:
            query: The SQL query
        """
        with closing(connect(path)) as connection:
            rows = connection.execute(query).fetchmany(10)
        return ", ".join(str(row[0]) for row in rows)  # of whole rows the names: a table would be too much for sprig

    return run_sql


QUESTIONS = [
    "How many rows are in the table products?",
    "How many rows are in the table customers?",
    "What is the highest price in products?",
    "What is the average price in products?",
    "What is the highest age in customers?",
    "List all products where price is greater than 100.",
    "List all customers where age is 28.",
]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.db"
        create(path)
        helper = pm.agent([sql_tool(path)], max_steps=2)
        for question in QUESTIONS:
            result = helper.run(question)
            print("question:", question)
            for step in result.steps:
                print("  query: ", step.arguments["query"])
                print("  result:", step.result if step.error is None else step.error)
            print("  answer:", result.answer)


if __name__ == "__main__":
    main()
