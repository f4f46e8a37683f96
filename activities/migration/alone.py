"""Runs an activity in a separate process with a memory limit, whose death harms no other work.

`run_alone` is called in the worker, `serve` in the process (`python -m worker --alone ORDER`). The
process answers in JSON lines: the number of each chunk that it begins, then the result or error.
"""

import asyncio
import dataclasses
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from polars.exceptions import PanicException
from pydantic import BaseModel, TypeAdapter
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.errors import translated
from domain.failures import Died
from sources.sandbox.confinement import Bounds, confine, die_with
from workflows.all_steps import STEPS
from workflows.payload import Payload

_LINE_BYTES = 2**20
_STEPS = {step.name: step for step in STEPS}


class AloneOrder(BaseModel):
    """The order that the process gets on its command line: ids and counts, no secrets."""

    activity: str
    input: str
    workflow_id: str | None
    workflow_type: str | None
    attempt: int
    memory_bytes: int
    parent: int


class At(BaseModel):
    """The work begins this chunk."""

    chunk: int


class Done(BaseModel):
    """The activity's result."""

    result: str


class Failed(BaseModel):
    """The error as histories may keep it (see activities.errors)."""

    message: str
    type: str | None
    final: bool
    details: list[Any]


class OutOfMemory(BaseModel):
    """The process met its memory limit, and was able to report it."""

    limit: int


Answer = At | Done | Failed | OutOfMemory
_ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)


async def run_alone(name: str, input: Payload, memory_bytes: int) -> Payload:
    """Run the activity `name` in a separate process; its result.

    Raises the ApplicationError that the activity raised, Died if the process was killed or met its
    memory limit, RuntimeError if it ended in another way without an answer.

    When the worker shuts down, the process is asked to end, too; when this call is cancelled, the
    process is killed.
    """
    info = activity.info()
    order = AloneOrder(
        activity=name,
        input=input.model_dump_json(),
        workflow_id=info.workflow_id,
        workflow_type=info.workflow_type,
        attempt=info.attempt,
        memory_bytes=memory_bytes,
        parent=os.getpid(),
    )
    command = [sys.executable, "-P", "-m", "worker", "--alone", order.model_dump_json()]
    child = await asyncio.create_subprocess_exec(*command, stdout=PIPE, limit=_LINE_BYTES)
    stopping = asyncio.create_task(_hand_on_shutdown(child))
    try:
        result: Payload = _STEPS[name].result.model_validate_json(await _result(child))
        return result
    except Died:
        if activity.is_worker_shutdown():  # the request to end came before the process handled it
            raise ApplicationError("the worker shuts down", type="worker_shutdown") from None
        raise
    finally:
        stopping.cancel()
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def _hand_on_shutdown(child: Process) -> None:
    await activity.wait_for_worker_shutdown()
    with suppress(ProcessLookupError):
        child.terminate()


async def _result(child: Process) -> str:
    assert child.stdout is not None
    chunk = None
    async for line in child.stdout:
        answer = _ANSWER.validate_json(line)
        match answer:
            case At():
                chunk = answer.chunk
            case Done():
                return answer.result
            case Failed():
                raise ApplicationError(
                    answer.message,
                    *answer.details,
                    type=answer.type,
                    non_retryable=answer.final,
                )
            case OutOfMemory():
                raise Died("could get no more memory", chunk)
    code = await child.wait()
    if code == -signal.SIGABRT:  # polars aborts a process that gets no more memory
        raise Died("could get no more memory (SIGABRT)", chunk)
    if code < 0:
        raise Died(f"was killed ({signal.Signals(-code).name})", chunk)
    raise RuntimeError(f"the process ended with {code}; the worker's log says why")


async def serve(order: AloneOrder, mine: Mapping[str, Callable[..., Awaitable[Any]]]) -> None:
    """Run the ordered activity, which is one of `mine` by name, and write the answer."""
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(
        environment.info,
        activity_type=order.activity,
        attempt=order.attempt,
        workflow_id=order.workflow_id,
        workflow_type=order.workflow_type,
    )
    environment.on_heartbeat = _answer_chunk
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, environment.worker_shutdown)
    input = _STEPS[order.activity].input.model_validate_json(order.input)
    _answer(await environment.run(_answered, order, mine[order.activity], input))


async def _answered(
    order: AloneOrder, activity: Callable[..., Awaitable[Any]], input: Payload
) -> Answer:
    try:
        return Done(result=(await activity(input)).model_dump_json())
    except ApplicationError as error:
        return _failed(error)
    except MemoryError:
        return OutOfMemory(limit=order.memory_bytes)
    except PanicException as error:
        if "memory" not in str(error):
            raise
        return OutOfMemory(limit=order.memory_bytes)
    except Exception as error:
        return _failed(translated(error))


def _failed(error: ApplicationError) -> Failed:
    details = [
        each.model_dump(mode="json") if isinstance(each, BaseModel) else each
        for each in error.details
    ]
    return Failed(
        message=error.message, type=error.type, final=error.non_retryable, details=details
    )


def _answer_chunk(*details: Any) -> None:
    """Pass on the number of a chunk, with which an activity heartbeats when it begins one."""
    if details:
        _answer(At(chunk=details[0]))


def _answer(line: Answer) -> None:
    sys.stdout.write(line.model_dump_json() + "\n")
    sys.stdout.flush()


def confine_alone(order: AloneOrder) -> None:
    """Limit the memory of this process, and let it end with its parent. Call this before anything
    else, in the main thread."""
    die_with(order.parent)
    confine(Bounds(data_bytes=order.memory_bytes))
