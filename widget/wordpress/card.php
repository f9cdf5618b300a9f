<?php
/**
 * Write the card: a link to the campaign inside the element <donation-card>. Everything is checked or escaped here, whoever
 * wrote the article.
 *
 * @package DonationCard
 */

namespace DonationCard;

defined( 'ABSPATH' ) || exit;

/**
 * Return the HTML of a card, or '' if its campaign or its service is not allowed.
 *
 * A page without scripts gets the link only.
 *
 * @param array  $card Attributes: service, campaign (up to ten ids), lang, layout, theme. The first listed service is the default.
 * @param string $text The text of the link. Readers see it until the card is drawn, and if it cannot be drawn.
 * @return string
 */
function render_card( $card, $text = '' ) {
	$card    = array_map( 'strval', array_filter( (array) $card, 'is_scalar' ) );
	$listed  = services();
	$service = empty( $card['service'] ) ? reset( $listed ) : origin_of( $card['service'] );
	$ids     = campaign_ids( $card['campaign'] ?? '' );
	if ( ! in_array( $service, $listed, true ) || ! $ids ) {
		return '';
	}
	$chosen = array(
		'lang'   => preg_match( '/^[a-z]{2,3}$/D', $card['lang'] ?? '' ) ? $card['lang'] : '',
		'layout' => in_array( $card['layout'] ?? '', array( 'card', 'compact', 'button', 'bar' ), true ) ? $card['layout'] : '',
		'theme'  => in_array( $card['theme'] ?? '', array( 'light', 'dark' ), true ) ? $card['theme'] : '',
	);
	$text   = '' === $text || 0 === strpos( $text, 'http' ) ? __( 'Give to this campaign', 'donation-card' ) : $text;
	$links  = array();
	foreach ( $ids as $id ) {
		$url     = "$service/c/$id" . ( $chosen['lang'] ? "?lang={$chosen['lang']}" : '' );
		$name    = isset( $ids[1] ) ? "$text: $id" : $text;
		$lines   = isset( $ids[1] ) ? ' style="display:block"' : '';
		$links[] = sprintf( '<a href="%s" referrerpolicy="strict-origin"%s>%s</a>', esc_url( $url ), $lines, esc_html( $name ) );
	}
	if ( is_plain_page() ) {
		return '<p>' . implode( '<br>', $links ) . '</p>';
	}
	wp_enqueue_script( 'donation-card' );
	$link       = implode( "\n", $links );
	$rooms      = require __DIR__ . ( isset( $ids[1] ) ? '/card/rooms-of-several.php' : '/card/rooms.php' );
	$room       = $rooms[ isset( $ids[1] ) ? count( $ids ) : ( $chosen['layout'] ?: 'card' ) ];
	$attributes = array(
		'campaign'   => implode( ' ', $ids ),
		'api-origin' => $service,
	);
	$attributes = array_merge( $attributes, array_filter( $chosen ), array( 'style' => $room ) );
	$html       = '';
	foreach ( $attributes as $name => $value ) {
		$html .= sprintf( ' %s="%s"', $name, esc_attr( $value ) );
	}
	return "<donation-card$html>$link</donation-card>";
}

/** Return true if the page accepts no script: a feed, a page of the plugin AMP, or a preview in the classic editor. */
function is_plain_page() {
	return is_feed() || doing_action( 'wp_ajax_parse-embed' ) || ( function_exists( 'amp_is_request' ) && amp_is_request() );
}

/**
 * Return the ids in an attribute, or none if one of them is wrong or there are more than ten.
 *
 * @param string $text Ids with spaces between them.
 * @return string[]
 */
function campaign_ids( $text ) {
	$ids   = array_values( array_unique( preg_split( '/[\s,]+/', $text, -1, PREG_SPLIT_NO_EMPTY ) ) );
	$valid = preg_grep( '/^[a-z0-9][a-z0-9-]{0,63}$/D', $ids );
	return count( $ids ) <= 10 && $valid === $ids ? $ids : array();
}

/**
 * Return the text of HTML.
 *
 * @param string $html Of a link.
 * @return string
 */
function text_of( $html ) {
	return trim( html_entity_decode( wp_strip_all_tags( $html ), ENT_QUOTES, 'UTF-8' ) );
}

/**
 * Render the block. What was saved with it is a link to each campaign. The links stay where the card is not allowed.
 *
 * @param array  $attributes Of the block.
 * @param string $saved      HTML. WordPress has filtered it when somebody without `unfiltered_html` saved the article.
 * @return string
 */
function render_block( $attributes, $saved ) {
	$first = preg_match( '#<a\b.*?</a>#is', $saved, $found ) ? $found[0] : $saved;
	$card  = render_card( $attributes, text_of( $first ) );
	return $card ? sprintf( '<div %s>%s</div>', get_block_wrapper_attributes(), $card ) : $saved;
}

/**
 * Render the shortcode: [donation_card campaign="vitaly"], or [donation_card] around a link to the campaign.
 *
 * @param array|string $attributes As written in the article.
 * @param string       $content    Between the tags.
 * @return string
 */
function render_shortcode( $attributes, $content = '' ) {
	$content = (string) $content;
	$linked  = preg_match( '#https?://[^\s"\'<>]+#i', $content, $found ) ? card_at( html_entity_decode( $found[0] ) ) : null;
	$card    = render_card( array_merge( $linked ?? array(), array_filter( (array) $attributes ) ), text_of( $content ) );
	if ( $card ) {
		return $card;
	}
	$help = __( 'Donation Card: no campaign found here. Only people who edit articles see this line.', 'donation-card' );
	return wp_kses_post( $content ) . ( current_user_can( 'edit_posts' ) ? '<p>' . esc_html( $help ) . '</p>' : '' );
}

/**
 * Render a link to a campaign that stands alone in its paragraph.
 *
 * @param array  $matches Of the pattern.
 * @param array  $attr    Wanted size.
 * @param string $url     The link.
 * @return string|false False leaves the link to other handlers.
 */
function render_pasted_link( $matches, $attr, $url ) {
	$card = card_at( html_entity_decode( $url ) );
	return $card ? render_card( $card ) : false;
}

/**
 * Let links with #card become cards of listed services only. The script would accept a link to any service.
 *
 * @param string $content HTML of an article.
 * @return string
 */
function filter_card_links( $content ) {
	if ( is_plain_page() ) {
		return $content;
	}
	return preg_replace_callback( '/<a\s+([^>]*)>/i', __NAMESPACE__ . '\filter_card_link', $content ) ?? $content;
}

/**
 * Return the tag of a link. Without #card if the script would make a card of it and its service is not listed.
 *
 * @param string[] $found The tag and its attributes.
 * @return string
 */
function filter_card_link( $found ) {
	foreach ( wp_kses_hair( $found[1], wp_allowed_protocols() ) as $name => $attribute ) {
		$url = html_entity_decode( $attribute['value'], ENT_QUOTES | ENT_HTML5, 'UTF-8' );
		// Browsers read these characters so in an address.
		$path = strtr( $url, array( '\\' => '/', "\t" => '', "\n" => '', "\r" => '' ) );
		if ( 'href' !== strtolower( $name ) || '#card' !== substr( $url, -5 ) || false === strpos( $path, '/c/' ) ) {
			continue;
		}
		$url = substr( $url, 0, -5 );
		if ( ! card_at( $url ) ) {
			return str_replace( $attribute['whole'], sprintf( 'href="%s"', esc_url( $url ) ), $found[0] );
		}
		wp_enqueue_script( 'donation-card' );
	}
	return $found[0];
}
