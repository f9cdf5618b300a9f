<?php
/**
 * The donation services whose cards this site shows. An administrator lists them: a card asks for money, so nobody else may
 * choose whom it goes to.
 *
 * @package DonationCard
 */

namespace DonationCard;

defined( 'ABSPATH' ) || exit;

const SERVICES_OPTION = 'donation_card_services';

/**
 * Return the listed services.
 *
 * @return string[] Origins such as https://give.example.org. Authors are offered the first one.
 */
function services() {
	return array_values( array_filter( (array) get_option( SERVICES_OPTION, array() ), 'is_string' ) );
}

/**
 * Return the origin of an address, or '' if a service may not have it.
 *
 * It must begin with https://. Only a service on this computer, for tests, may use http://.
 *
 * @param string $address As an administrator typed it, possibly with a path.
 * @return string
 */
function origin_of( $address ) {
	$parts = wp_parse_url( strtolower( trim( $address ) ) );
	if ( ! is_array( $parts ) || empty( $parts['scheme'] ) || empty( $parts['host'] ) || isset( $parts['user'] ) ) {
		return '';
	}
	$scheme      = $parts['scheme'];
	$host        = ascii_host( $parts['host'] );
	$is_loopback = preg_match( '/^(localhost|127(\.\d{1,3}){3}|\[::1\])$/D', $host );
	if ( 'https' !== $scheme && ! ( 'http' === $scheme && $is_loopback ) ) {
		return '';
	}
	if ( ! $is_loopback && ! preg_match( '/^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]*[a-z0-9]$/D', $host ) ) {
		return '';
	}
	$default_port = 'https' === $scheme ? 443 : 80;
	$port         = isset( $parts['port'] ) && $parts['port'] !== $default_port ? ':' . $parts['port'] : '';
	return "$scheme://$host$port";
}

/**
 * Return a host name as browsers send it, in ASCII, or '' if it is none.
 *
 * @param string $host For example дапамога.бел.
 * @return string
 */
function ascii_host( $host ) {
	if ( ! preg_match( '/[^ -~]/', $host ) ) {
		return $host;
	}
	$encoder = class_exists( '\WpOrg\Requests\IdnaEncoder' ) ? '\WpOrg\Requests\IdnaEncoder' : '\Requests_IDNAEncoder'; // Since WordPress 6.2.
	try {
		return $encoder::encode( function_exists( 'mb_strtolower' ) ? mb_strtolower( $host, 'UTF-8' ) : $host );
	} catch ( \Exception $error ) {
		return '';
	}
}

/**
 * Return the card that a link to a campaign stands for, or null if the link leads elsewhere.
 *
 * @param string $url For example https://give.example.org/c/vitaly?lang=be.
 * @return array{service: string, campaign: string, lang: string}|null
 */
function card_at( $url ) {
	$service = origin_of( $url );
	$path    = (string) wp_parse_url( $url, PHP_URL_PATH );
	if ( ! in_array( $service, services(), true ) || ! preg_match( '#^/c/([a-z0-9][a-z0-9-]{0,63})/?$#D', $path, $found ) ) {
		return null;
	}
	parse_str( (string) wp_parse_url( $url, PHP_URL_QUERY ), $query );
	return array(
		'service'  => $service,
		'campaign' => $found[1],
		'lang'     => isset( $query['lang'] ) && is_string( $query['lang'] ) ? $query['lang'] : '',
	);
}
