"""Moves money with a client that is generated from the description of the API."""

import os
from uuid import UUID

from neobank_client import AuthenticatedClient
from neobank_client.api.transfers import create_transfer, show_transfer
from neobank_client.models import GivenAmount, NewTransfer, Problem, Transfer

client = AuthenticatedClient(os.environ["NEOBANK_ADDRESS"], os.environ["NEOBANK_KEY"])


def transfer(amount):
    body = NewTransfer(
        from_=UUID(os.environ["NEOBANK_FROM"]),
        to=UUID(os.environ["NEOBANK_TO"]),
        amount=GivenAmount(amount=amount, currency="CZK"),
    )
    return create_transfer.sync_detailed(
        client=client, body=body, idempotency_key="python-client"
    )


first, again = transfer("7.25"), transfer("7.25")
assert isinstance(first.parsed, Transfer), first
assert again.parsed.transfer_id == first.parsed.transfer_id, again
assert again.headers["Idempotency-Replayed"] == "true", again

shown = show_transfer.sync(first.parsed.transfer_id, client=client)
assert shown.amount.amount == "7.25", shown

other = transfer("1.00").parsed
assert isinstance(other, Problem) and other.kind == "key_reused", other
print(f"Python: transfer {first.parsed.transfer_id} moved {shown.amount.amount} CZK once")
