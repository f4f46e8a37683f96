"""Steps with side effects, as Temporal runs them: they unpack, call, and translate errors once."""
