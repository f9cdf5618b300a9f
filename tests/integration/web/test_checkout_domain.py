"""Test an account whose hosted pages are on a custom domain."""

from urllib.parse import urlsplit

import pytest

from tests.integration.cli.test_doctor import examine
from tests.support.installation import running

OWN = "https://pay.example.org"


@pytest.mark.parametrize("is_set", [True, False])
def test_custom_checkout_domain_is_in_form_action_or_the_donor_gets_a_link(
    redis_url, tmp_path, sample_campaign, is_set
):
    changes = {"settings_options": {"stripe_checkout_origin": OWN}} if is_set else {}
    with running(
        redis_url, tmp_path, campaigns=sample_campaign, sandbox_options={"checkout_url": OWN}, **changes
    ) as installation:
        installation.until_ready()
        policy = installation.client.get("/c/roof/give").headers["content-security-policy"]
        (form_action,) = [each for each in policy.split("; ") if each.startswith("form-action")]
        answer = installation.submit(token=installation.token("roof"), amount="20")
        found = examine(installation, **({"STRIPE_CHECKOUT_ORIGIN": OWN} if is_set else {}))[2]
        if is_set:
            assert OWN in form_action.split()
            assert (answer.status_code, answer.headers["location"].startswith(f"{OWN}/pay/")) == (303, True)
            assert f"Stripe's page on {OWN}" in found
        else:
            assert OWN not in form_action
            assert (answer.status_code, f'href="{OWN}/pay/' in answer.text) == (200, True)
            assert "location" not in answer.headers
            assert f"STRIPE_CHECKOUT_ORIGIN={OWN}" in found
            assert urlsplit(installation.sandbox).netloc in form_action
