<?php
/**
 * The settings page, and a notice when a service serves a newer card than this plugin contains.
 *
 * @package DonationCard
 */

namespace DonationCard;

defined( 'ABSPATH' ) || exit;

const NEWER_CARDS = 'donation_card_newer_cards';

add_action( 'admin_init', __NAMESPACE__ . '\register_settings' );
add_action( 'admin_menu', __NAMESPACE__ . '\add_settings_page' );
add_action( 'admin_notices', __NAMESPACE__ . '\show_newer_cards' );
add_action( 'update_option_' . SERVICES_OPTION, __NAMESPACE__ . '\forget_newer_cards' );
add_action( 'add_option_' . SERVICES_OPTION, __NAMESPACE__ . '\forget_newer_cards' );
add_filter( 'plugin_action_links_' . plugin_basename( __DIR__ . '/donation-card.php' ), __NAMESPACE__ . '\add_settings_link' );

/** Register the one setting. WordPress checks its nonce and the right to change it. */
function register_settings() {
	$setting = array(
		'type'              => 'array',
		'sanitize_callback' => __NAMESPACE__ . '\sanitize_services',
	);
	register_setting( 'donation-card', SERVICES_OPTION, $setting );
}

/**
 * Return the origins of the typed addresses, and report each line that is none.
 *
 * @param mixed $typed Lines, or an array that was sanitized before.
 * @return string[]
 */
function sanitize_services( $typed ) {
	$lines   = is_array( $typed ) ? array_filter( $typed, 'is_string' ) : preg_split( '/\s+/', (string) $typed, -1, PREG_SPLIT_NO_EMPTY );
	$origins = array();
	foreach ( $lines as $line ) {
		$origin = origin_of( $line );
		if ( $origin ) {
			$origins[] = $origin;
		} else {
			/* translators: %s: what was typed. */
			$message = sprintf( __( 'Not saved: %s. An address begins with https://.', 'donation-card' ), $line );
			add_settings_error( SERVICES_OPTION, 'address', esc_html( $message ) );
		}
	}
	return array_values( array_unique( $origins ) );
}

/** Add the page to the menu. */
function add_settings_page() {
	$show = __NAMESPACE__ . '\show_settings_page';
	add_options_page( 'Donation Card', 'Donation Card', 'manage_options', 'donation-card', $show );
}

/**
 * Add a link to the settings beside "Deactivate".
 *
 * @param string[] $links HTML.
 * @return string[]
 */
function add_settings_link( $links ) {
	$url = admin_url( 'options-general.php?page=donation-card' );
	array_unshift( $links, sprintf( '<a href="%s">%s</a>', esc_url( $url ), esc_html__( 'Settings', 'donation-card' ) ) );
	return $links;
}

/** Print the settings page. */
function show_settings_page() {
	if ( ! current_user_can( 'manage_options' ) ) {
		return;
	}
	$example = ( services()[0] ?? 'https://give.example.org' ) . '/c/vitaly';
	?>
	<div class="wrap">
		<h1>Donation Card</h1>
		<form action="options.php" method="post">
			<?php settings_fields( 'donation-card' ); ?>
			<h2><label for="donation-card-services"><?php esc_html_e( 'Addresses of donation services', 'donation-card' ); ?></label></h2>
			<p id="donation-card-help"><?php esc_html_e( 'One address a line, for example https://give.example.org. Articles show cards of these services only.', 'donation-card' ); ?></p>
			<textarea id="donation-card-services" name="<?php echo esc_attr( SERVICES_OPTION ); ?>" rows="3" class="large-text code" aria-describedby="donation-card-help"><?php echo esc_textarea( implode( "\n", services() ) ); ?></textarea>
			<p><?php esc_html_e( 'Where a card is shown, the browsers of your readers contact its service. Without an address, nothing is contacted.', 'donation-card' ); ?></p>
			<?php submit_button(); ?>
		</form>
		<h2><?php esc_html_e( 'Show a campaign', 'donation-card' ); ?></h2>
		<p><?php esc_html_e( 'In the block editor, add the block “Donation card”, or paste the address of the campaign:', 'donation-card' ); ?> <code><?php echo esc_html( $example ); ?></code></p>
		<p><?php esc_html_e( 'Elsewhere, put the shortcode around a link. The link stays when you remove this plugin:', 'donation-card' ); ?> <code><?php echo esc_html( "[donation_card]<a href=\"$example\">" . __( 'Give to this campaign', 'donation-card' ) . '</a>[/donation_card]' ); ?></code></p>
	</div>
	<?php
}

/** Print a notice on the pages where an administrator looks after plugins. */
function show_newer_cards() {
	$screen = get_current_screen();
	$pages  = array( 'plugins', 'update-core', 'settings_page_donation-card' );
	if ( ! $screen || ! in_array( $screen->id, $pages, true ) || ! current_user_can( 'update_plugins' ) ) {
		return;
	}
	foreach ( newer_cards() as $service => $version ) {
		if ( VERSION === $version ) {
			/* translators: 1: address of the service, 2: version. */
			$text = __( '%1$s serves another build of card %2$s than this plugin contains. Look for an update of the plugin Donation Card.', 'donation-card' );
		} else {
			/* translators: 1: address of the service, 2: its version, 3: version in this plugin. */
			$text = __( '%1$s serves card %2$s. This plugin contains card %3$s. Update the plugin Donation Card.', 'donation-card' );
		}
		echo '<div class="notice notice-warning"><p>' . esc_html( sprintf( $text, $service, $version, VERSION ) ) . '</p></div>';
	}
}

/**
 * Return the services that serve a newer card, or another build of this version.
 *
 * The services are asked at most twice a day, and only while an administrator opens one of the pages above. The request
 * contains nothing of this site.
 *
 * @return array<string, string> Origin to version.
 */
function newer_cards() {
	$known = get_transient( NEWER_CARDS );
	if ( is_array( $known ) ) {
		return $known;
	}
	$bundled = file_get_contents( __DIR__ . '/card/donation-card.js' );
	$newer   = array();
	foreach ( services() as $service ) {
		$served  = served_card( $service );
		$version = preg_match( '/^\/\*! <donation-card> (\d+\.\d+\.\d+),/', $served, $found ) ? $found[1] : '';
		if ( $version && $served !== $bundled && version_compare( $version, VERSION, '>=' ) ) {
			$newer[ $service ] = $version;
		}
	}
	set_transient( NEWER_CARDS, $newer, 12 * HOUR_IN_SECONDS );
	return $newer;
}

/**
 * Return the card that a service serves, as data that is only compared, or '' if it does not respond.
 *
 * @param string $service Origin.
 * @return string
 */
function served_card( $service ) {
	$options  = array(
		'timeout'             => 3,
		'redirection'         => 0,
		'limit_response_size' => 200000,
		'user-agent'          => 'Donation Card plugin', // WordPress would send the address of this site.
		'reject_unsafe_urls'  => 0 === strpos( $service, 'https:' ),
	);
	$response = wp_remote_get( $service . '/widget/v1/donation-card.js', $options );
	return 200 === wp_remote_retrieve_response_code( $response ) ? wp_remote_retrieve_body( $response ) : '';
}

/** Ask again when the services have changed. */
function forget_newer_cards() {
	delete_transient( NEWER_CARDS );
}
