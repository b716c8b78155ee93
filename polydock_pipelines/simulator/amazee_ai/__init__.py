"""The amazee.ai backend as its clients meet it. Facts: contracts, amazee-ai."""
