"""Order, waiting and compensation, run by Temporal; and what its clients need to start them."""
