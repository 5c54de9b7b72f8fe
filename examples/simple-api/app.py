"""The lab's API: says that it lives, and what the database says of itself."""

import os

import psycopg
from fastapi import FastAPI

app = FastAPI(title="simple-api")


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/db")
def database() -> dict[str, str]:
    """The database's version and name, asked for on every request."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute("select version(), current_database()").fetchone()
    assert row is not None
    return {"version": row[0], "database": row[1]}
