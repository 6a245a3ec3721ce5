"""A FastAPI application with one empty route on a unix socket, as its makers run it: the floor for ours."""

import sys

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/empty/{one}/{two}")
async def empty(one: str, two: str, apikey: str) -> dict[str, str]:
    return {"one": one, "two": two, "key": apikey}


if __name__ == "__main__":
    uvicorn.run(app, uds=sys.argv[1], http="httptools", access_log=False, log_level="error")
