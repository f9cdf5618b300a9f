<?php
/** Install WordPress for the tests: php install.php FOLDER HOST:PORT. */

define( 'WP_INSTALLING', true );
$_SERVER['HTTP_HOST'] = $argv[2];

/** Send no mail. */
function wp_new_blog_notification() {
}

require "$argv[1]/wp-load.php";
require ABSPATH . 'wp-admin/includes/upgrade.php';
wp_install( 'News', 'admin', 'admin@example.org', true, '', 'password' );
foreach ( array( 'contributor', 'editor' ) as $role ) {
	$account = array( 'user_login' => $role, 'user_pass' => 'password', 'user_email' => "$role@example.org" );
	wp_insert_user( $account + array( 'role' => $role ) );
}
