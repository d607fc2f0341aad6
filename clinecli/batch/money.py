"""`--max-cost`: a reservation, so that no order of events spends more than was allowed.

A request reserves its worst case (see `models/price.py`) before it is sent, and is settled by what
it did cost. Spent plus reserved never exceeds the cap, and what is settled never exceeds what was
reserved as long as the price list is right; where a server charges more, that is counted in full.

What is settled, by what is known (`charge`):

| a reply, or an error, with | costs |
|---|---|
| `usage.cost` | that |
| token counts alone | counts times list prices |
| neither, where no model ran: no connection, a status of 4xx | nothing |
| neither, else: a reply that was cut or never came may well be billed | all that was reserved |

A row waits while it would fit if those in flight cost nothing. One that cannot fit any more ends
the batch: `reserve` raises `CreditError`, for each row from then on.

A model without a known price, or a request that nothing bounds, is refused with status 2 before
anything is sent: a cap that cannot be kept is none.
"""

from __future__ import annotations

from clinecli.errors import ClinecliError, Code, CreditError, ExitStatus
from clinecli.models.price import Usage, usd_text

_NEVER_RAN = {
    ExitStatus.USAGE,
    ExitStatus.CONFIG,
    ExitStatus.EMPTY_MESSAGE,
    ExitStatus.CONNECTION,
    ExitStatus.TLS,
}
# But for 408, with which a proxy may give up while the model runs.
_REFUSALS = {*range(400, 500)} - {408}


def charge(reserved: int, usage: Usage | None, error: ClinecliError | None) -> int:
    """What a request costs, in pico-dollars, once its reply or error is there."""
    if usage and usage.cost is not None:
        return usage.cost
    if error is None:
        return reserved
    # A connection that was closed without an answer did carry the request.
    never_ran = error.status in _NEVER_RAN and error.code is not Code.CLOSED
    return 0 if never_ran or error.http_status in _REFUSALS else reserved


class Budget:
    """A cap, what is spent, and what is reserved, in pico-dollars. Without a cap it counts.

    `spent` is what earlier runs of the same batch did spend.
    """

    def __init__(self, cap: int | None = None, spent: int = 0) -> None:
        self._cap = cap
        self._spent = spent
        self._reserved = 0
        self._reached: CreditError | None = None

    @property
    def spent(self) -> int:
        """What all settled requests did cost."""
        return self._spent

    def reserve(self, amount: int) -> bool:
        """Reserve the worst case of a request; False when that has to wait for one in flight.

        Raises `CreditError` when it cannot be any more.
        """
        if self._cap is not None and self._spent + amount > self._cap and not self._reached:
            self._reached = _cap_reached(self._cap, self._spent, amount)
        if self._reached:
            raise self._reached
        if self._cap is not None and self._spent + self._reserved + amount > self._cap:
            return False
        self._reserved += amount
        return True

    def settle(self, reserved: int, cost: int) -> None:
        """Replace what was reserved by what it did cost."""
        self._reserved -= reserved
        self._spent += cost


def _cap_reached(cap: int, spent: int, amount: int) -> CreditError:
    return CreditError(
        f"--max-cost {usd_text(cap)} is reached: {usd_text(spent)} are spent, and the next row "
        f"can cost up to {usd_text(amount)}",
        hint="finished rows are kept: run the same command with a higher --max-cost, or a lower "
        "--max-tokens",
    )
