"""The rules of the product, without network, database or randomness. This package imports no
other package of the product; most others import it."""
