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
update_option( 'show_avatars', 0 ); // they come from elsewhere
foreach ( array( 'contributor', 'editor' ) as $role ) {
	wp_insert_user( array( 'user_login' => $role, 'user_pass' => 'password', 'role' => $role ) );
}
