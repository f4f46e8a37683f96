"""What an event may hold: texts that PostgreSQL can store."""

import pytest
from pydantic import ValidationError

from domain.notification.event import User


def test_half_of_a_surrogate_pair_in_another_member_of_the_user_is_refused() -> None:
    with pytest.raises(ValidationError, match="half of a surrogate pair cannot be stored"):
        User.model_validate({"id": "u1", "team": "\ud800"})
