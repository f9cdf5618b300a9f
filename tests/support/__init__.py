from donation_card.application import client_limits

client_limits.CHARGED_ONE_IN = 1
"""Tests of the limits charge each request, so that they count exactly. test_client_limits.py tests the chance."""
