<?php
/**
 * Delete everything that the plugin stored: one option and one cached answer on each site. Articles keep their links.
 *
 * @package DonationCard
 */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

/** Delete them on the current site. */
function donation_card_uninstall() {
	delete_option( 'donation_card_services' );
	delete_transient( 'donation_card_newer_cards' );
}

if ( is_multisite() ) {
	foreach ( get_sites( array( 'fields' => 'ids', 'number' => 0 ) ) as $donation_card_site ) {
		switch_to_blog( $donation_card_site );
		donation_card_uninstall();
		restore_current_blog();
	}
} else {
	donation_card_uninstall();
}
