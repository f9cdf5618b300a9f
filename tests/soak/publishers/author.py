"""Use WordPress as a person does: log in, write, submit, publish, and install and remove the plugin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, expect

from tests.soak.publishers.wordpress import WordPress

PLUGIN_ROW = 'tr[data-plugin="donation-card/donation-card.php"]'


@dataclass
class Author:
    """Somebody who is logged in."""

    wordpress: WordPress
    page: Page

    def open(self, path: str) -> None:
        self.page.goto(f"{self.wordpress.origin}/wp-admin/{path}")

    def start_article(self, title: str) -> None:
        self.open("post-new.php")
        self.without_guide()
        self.canvas().get_by_role("textbox", name="Add title").fill(title)
        self.page.keyboard.press("Enter")

    def without_guide(self) -> None:
        """Close what WordPress tells new authors."""
        self.page.wait_for_function("() => window.wp?.data?.select('core/edit-post')?.isFeatureActive")
        self.page.evaluate(
            "() => { const { select, dispatch } = wp.data;"
            "const guide = ['core/edit-post', 'welcomeGuide'];"
            "if (select('core/preferences').get(...guide)) dispatch('core/preferences').set(...guide, false);"
            "dispatch('core/preferences').set('core/edit-post', 'fullscreenMode', false) }"
        )
        self.canvas().locator(".block-editor-block-list__layout, .editor-styles-wrapper").first.wait_for()

    def canvas(self) -> Page | FrameLocator:
        """Return where the article stands: in a frame since WordPress 6.3."""
        self.page.locator(".edit-post-visual-editor, .editor-visual-editor").first.wait_for()
        frame = 'iframe[name="editor-canvas"]'
        return self.page.frame_locator(frame) if self.page.locator(frame).count() else self.page

    def insert_card(self, address: str) -> None:
        """Choose the block by its name after a slash, and enter the campaign."""
        self.page.keyboard.type("/donation card")
        self.page.get_by_role("option", name="Donation card").click()
        canvas = self.canvas()
        canvas.get_by_label("Address or ID of the campaign").fill(address)
        canvas.get_by_role("button", name="Insert the card").click()

    def paste(self, text: str) -> None:
        self.page.evaluate("text => navigator.clipboard.writeText(text)", text)
        self.page.keyboard.press("Control+v")

    def content(self) -> str:
        return self.page.evaluate("() => wp.data.select('core/editor').getEditedPostContent()")

    def submit_for_review(self) -> int:
        """Submit the article as a contributor. Return its ID."""
        self.page.get_by_role("button", name="Publish", exact=True).or_(
            self.page.get_by_role("button", name="Submit for Review")
        ).first.click()
        panel = self.page.locator(".editor-post-publish-panel")
        panel.get_by_role("button", name="Submit for Review").click()
        self.page.wait_for_function("() => wp.data.select('core/editor').getCurrentPost().status === 'pending'")
        return int(self.page.evaluate("() => wp.data.select('core/editor').getCurrentPostId()"))

    def publish(self, article: int) -> str:
        """Open an article as an editor and publish it. Return its address."""
        self.open(f"post.php?post={article}&action=edit")
        self.without_guide()
        if self.page.evaluate("() => wp.data.select('core/editor').isPostLocked()"):  # the contributor has it open, too
            # By its class: WordPress hides its dialog from the accessibility tree while the guide is open.
            self.page.locator(".editor-post-locked-modal a", has_text="Take over").click()
            self.page.wait_for_function("() => window.wp?.data?.select('core/editor')?.isPostLocked() === false")
            self.without_guide()
        self.page.get_by_role("button", name="Publish", exact=True).first.click()
        self.page.locator(".editor-post-publish-panel").get_by_role("button", name="Publish", exact=True).click()
        self.page.wait_for_function("() => wp.data.select('core/editor').getCurrentPost().status === 'publish'")
        return str(self.page.evaluate("() => wp.data.select('core/editor').getCurrentPost().link"))

    def post(self, content: str) -> str:
        """Publish an article through WordPress's API. Return its address."""
        self.page.wait_for_function("() => window.wp?.apiFetch")
        data = {"title": "Article", "status": "publish", "content": content}
        ask = "data => wp.apiFetch({ path: '/wp/v2/posts', method: 'POST', data }).then(({ link }) => link)"
        return str(self.page.evaluate(ask, data))

    def draft(self, content: str) -> int:
        """Save a draft through WordPress's API, which filters it. Return its ID."""
        self.page.wait_for_function("() => window.wp?.apiFetch")
        data = {"title": "Article", "status": "draft", "content": content}
        ask = "data => wp.apiFetch({ path: '/wp/v2/posts', method: 'POST', data }).then(({ id }) => id)"
        return int(self.page.evaluate(ask, data))

    def change(self, url: str, content: str) -> None:
        """Write new content into an article through WordPress's API."""
        self.page.wait_for_function("() => window.wp?.apiFetch")
        path = f"/wp/v2/posts/{url.partition('p=')[2]}"
        ask = "([path, content]) => wp.apiFetch({ path, method: 'POST', data: { content } })"
        self.page.evaluate(ask, [path, content])

    def install_plugin(self, archive: Path) -> None:
        self.open("plugin-install.php?tab=upload")
        self.page.locator("#pluginzip").set_input_files(archive)
        self.page.locator("#install-plugin-submit").click()
        self.page.get_by_role("link", name="Activate Plugin").click()
        expect(self.page.locator(PLUGIN_ROW)).to_have_class(re.compile(r"\bactive\b"))

    def remove_plugin(self) -> None:
        self.open("plugins.php")
        self.page.locator(f"{PLUGIN_ROW} .deactivate a").click()
        expect(self.page.locator(PLUGIN_ROW)).to_have_class(re.compile(r"\binactive\b"))
        self.open(self.page.locator(f"{PLUGIN_ROW} .delete a").get_attribute("href") or "")
        self.page.get_by_role("button", name="Yes, delete").click()
        expect(self.page.locator("#the-list")).to_be_visible()
        expect(self.page.locator(PLUGIN_ROW)).to_have_count(0)

    def choose_language(self, locale: str) -> None:
        self.open("profile.php")
        self.page.locator("#locale").select_option(locale)
        self.page.locator("#submit").click()
        expect(self.page.locator("#message")).to_be_visible()

    def list_services(self, *addresses: str) -> None:
        self.open("options-general.php?page=donation-card")
        self.page.get_by_label("Addresses of donation services").fill("\n".join(addresses))
        self.page.get_by_role("button", name="Save Changes").click()
        expect(self.page.locator(".settings-error").first).to_be_visible()  # "Settings saved.", or what was rejected


def log_in(browser: Browser, wordpress: WordPress, name: str) -> tuple[BrowserContext, Author]:
    """Return a browser window in which `name` is logged in."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{wordpress.origin}/wp-login.php")
    page.locator("#user_login").fill(name)
    page.locator("#user_pass").fill("password")
    page.locator("#wp-submit").click()
    page.wait_for_url("**/wp-admin/**")
    return context, Author(wordpress, page)
