<?php
/**
 * Plugin Name:       Donation Card
 * Description:       Show a fundraising campaign with its total in your article. Readers donate there.
 * Version:           0.1.0
 * Requires at least: 6.1
 * Requires PHP:      7.4
 * Author:            The Donation Card authors
 * License:           MIT
 * License URI:       https://opensource.org/license/mit
 * Text Domain:       donation-card
 * Domain Path:       /languages
 *
 * The plugin writes the card into articles: by a block, a shortcode, or a pasted link. It takes no payment. The card itself, in
 * card/, contacts the donation service in the reader's browser. Its readable source is in card/source/.
 *
 * @package DonationCard
 */

namespace DonationCard;

defined( 'ABSPATH' ) || exit;

const VERSION = '0.1.0';

require __DIR__ . '/services.php';
require __DIR__ . '/card.php';
if ( is_admin() ) {
	require __DIR__ . '/admin.php';
}

add_action( 'init', __NAMESPACE__ . '\register' );
add_action( 'enqueue_block_assets', __NAMESPACE__ . '\load_card_in_editor' );
add_filter( 'the_content', __NAMESPACE__ . '\filter_card_links', 99 );

/** Register the card's script, the block, the shortcode, and a handler for pasted links to each service. */
function register() {
	load_plugin_textdomain( 'donation-card', false, basename( __DIR__ ) . '/languages' );
	$in_footer = array(
		'in_footer' => true,
		'strategy'  => 'async', // Since WordPress 6.3.
	);
	wp_register_script( 'donation-card', plugins_url( 'card/donation-card.js', __FILE__ ), array(), VERSION, $in_footer );
	register_editor_script();
	register_block_type( __DIR__ . '/block', array( 'render_callback' => __NAMESPACE__ . '\render_block' ) );
	add_shortcode( 'donation_card', __NAMESPACE__ . '\render_shortcode' );
	foreach ( services() as $service ) {
		$pattern = '#^' . preg_quote( $service, '#' ) . '/c/[a-z0-9][a-z0-9-]{0,63}/?(\?[^\#]*)?(\#.*)?$#i';
		// The handler writes the card into articles. The provider is for previews: WordPress puts frames of others into a sandbox.
		wp_embed_register_handler( 'donation-card-' . md5( $service ), $pattern, __NAMESPACE__ . '\render_pasted_link' );
		wp_oembed_add_provider( $pattern, $service . '/oembed', true );
	}
}

/** Register the script of the block editor, with what it knows of this site. */
function register_editor_script() {
	$libraries = array( 'wp-block-editor', 'wp-blocks', 'wp-components', 'wp-element', 'wp-i18n' );
	wp_register_script( 'donation-card-editor', plugins_url( 'block/editor.js', __FILE__ ), $libraries, VERSION, true );
	wp_set_script_translations( 'donation-card-editor', 'donation-card', __DIR__ . '/languages' );
	$site = array(
		'services' => services(),
		'language' => get_bloginfo( 'language' ),
	);
	wp_add_inline_script( 'donation-card-editor', 'var donationCardSite = ' . wp_json_encode( $site ) . ';', 'before' );
}

/** Load the card into the editor, also into its frame. Articles load it only where a card is. */
function load_card_in_editor() {
	if ( is_admin() ) {
		wp_enqueue_script( 'donation-card' );
	}
}
