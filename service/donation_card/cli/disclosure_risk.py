"""`donation-card disclosure-risk`: estimate what the public total reveals about single donations."""

from pathlib import Path

import click

from donation_card.cli.environment import campaigns_option


@click.command("disclosure-risk")
@click.argument("campaign")
@campaigns_option
@click.option("--every", help='Another period, such as "6h" or "1d".')
@click.option("--step", type=click.IntRange(1), help="Another step, in whole units.")
@click.option("--min-donations", type=click.IntRange(0), help="Another minimum of donations.")
@click.option("--site-step", type=click.IntRange(1), help="Measure a site total too, in whole units.")
@click.option("--budget", default=500, show_default=True, type=click.IntRange(0), help="Of an observer who gives.")
@click.option("--days", default=12, show_default=True, type=click.IntRange(1), help="Of an observer who gives.")
@click.option("--samples", default=400, show_default=True, type=click.IntRange(2), help="More are slower, more exact.")
@click.option("--seed", default=1, show_default=True, help="Seed of the random numbers.")
def disclosure_risk(
    campaign: str,
    campaigns: Path,
    every: str | None,
    step: int | None,
    min_donations: int | None,
    site_step: int | None,
    budget: int,
    days: int,
    samples: int,
    seed: int,
) -> None:
    """Estimate what the public total reveals.

    The tables show the advantage of an observer who knows amount and time of one donation to CAMPAIGN. The first two
    are for card payments, with a row for the largest offline donation that is not listed. The third is for bank
    transfers and offline donations, which count together with others. The last two tables are for an observer who also
    gives, in whole units. `--budget 0` leaves them out.
    Further tables are about the campaign and one site together, for each step of a site total in the file.
    docs/privacy.md explains how to choose `every`, `step` and `min_donations` with it.
    """
    from dataclasses import replace
    from random import Random

    from donation_card.adapters.campaign_files.fields import seconds
    from donation_card.adapters.campaign_files.loader import CampaignFiles
    from donation_card.analysis.disclosure_risk import giving_report_lines, joint_report_lines, report_lines
    from donation_card.analysis.giving_observer import GivingObserver
    from donation_card.analysis.joint_totals import JointSeries

    found = CampaignFiles(campaigns).get(campaign)
    policy = found.publication
    try:
        policy = replace(
            policy,
            interval_seconds=seconds(every, None) if every is not None else policy.interval_seconds,
            step=step * found.giving.minimum.minor_per_major if step is not None else policy.step,
            min_donations=min_donations if min_donations is not None else policy.min_donations,
            threshold_key=b"any",  # the result is for secret thresholds, whatever they are
        )
        suggested = [money.amount for money in found.giving.suggested]
        rng = Random(seed).random  # noqa: S311
        offline = max((each.amount.amount for each in found.offline_donations if not each.listed), default=0)
        lines = list(report_lines(policy, suggested, found.currency, rng, samples=samples, largest_offline=offline))
    except ValueError as error:
        raise click.UsageError(str(error) or f"--every {every}: equal parts of a day, such as 6h") from error
    click.echo("\n".join(lines))
    observer = GivingObserver(budget * found.giving.minimum.minor_per_major, days)
    fewer = -(-samples // 4)  # each of these series is slower
    site_steps = {each.publication.step for each in found.site_totals}
    if site_step is not None:
        site_steps = {site_step * found.giving.minimum.minor_per_major}
    if budget:
        for line in giving_report_lines(policy, suggested, found.currency, observer, rng, samples=fewer):
            click.echo(line)
    for each in sorted(site_steps):
        joint = JointSeries(policy, each, 1.0)
        for line in joint_report_lines(joint, suggested, found.currency, observer, rng, samples=fewer):
            click.echo(line)
