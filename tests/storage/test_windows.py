"""What is claimed together and sent together: when it ends, when it is on record, what it holds."""

from channels.egress import egress
from tests.receivers.receiver import Reply, serving
from tests.receivers.webhook import EXAMPLE_SECRET, WebhookReceiver
from tests.storage.due import Due, ids
from tests.storage.sending import delivering, sent, window


async def test_of_a_receiver_that_wants_no_more_the_others_wait(due: Due) -> None:
    await due.add(*[4] * 5)
    claimed = await due.claim(5)
    async with serving(hook := WebhookReceiver()), egress(hook.allowed) as out:
        hook.always = Reply(410)
        config = {"url": hook.url, "secret": EXAMPLE_SECRET}
        await sent(delivering(due, out), window(due, "generic_webhook", config, claimed))
    assert len(hook.received) == 1
    found = [await due.state(id) for id in ids(claimed)]
    assert found == [("failed", 1), *[("pending", 0)] * 4]
    [row] = await due.rows("select is_active from tenant.integrations")
    assert not row["is_active"]
