<?php
/** Print what WordPress receives when it requests a preview, and what it makes of it: php oembed.php FOLDER HOST:PORT URL. */

$_SERVER['HTTP_HOST'] = $argv[2];
require "$argv[1]/wp-load.php";
$data = _wp_oembed_get_object()->get_data( $argv[3] );
echo wp_json_encode(
	array(
		'data' => $data,
		'html' => wp_oembed_get( $argv[3] ),
	)
);
