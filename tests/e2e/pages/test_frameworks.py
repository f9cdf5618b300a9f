"""Build the examples with the compilers of React, Vue and Svelte, and open the pages in a browser."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.pages.collection import PublisherPage
from tests.support.npm_project import npm_project, run_tool

BEGIN = "const root = document.getElementById('app'), host = root.dataset.host;\n"

STARTS = {
    "react.tsx": "import { createElement } from 'react'; import { createRoot } from 'react-dom/client';\n"
    "import { Article } from './react.tsx';\n"
    f"{BEGIN}createRoot(root).render(createElement(Article, {{ host }}));",
    "svelte.svelte": "import { mount } from 'svelte'; import Article from './svelte.svelte';\n"
    f"{BEGIN}mount(Article, {{ target: root, props: {{ host }} }});",
    "vue.vue": "import { createApp } from 'vue'; import Article from './vue.vue';\n"
    f"{BEGIN}createApp(Article, {{ host }}).mount(root);",
}
"""The script that starts the page of each example."""

CONFIGURATION = """
import { svelte } from '@sveltejs/vite-plugin-svelte';
import vue from '@vitejs/plugin-vue';
const isCustomElement = (tag) => tag === 'donation-card';
export default {
  plugins: [svelte({ configFile: false }), vue({ template: { compilerOptions: { isCustomElement } } })],
  build: { rollupOptions: { input: ['react.js', 'vue.js', 'svelte.js'], output: { entryFileNames: '[name].js' } } },
};
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build all examples with Vite, from the installed npm package. Return each script by its path."""
    project = npm_project(tmp_path_factory.mktemp("frameworks"))
    for example, start in STARTS.items():
        shutil.copy(Path("widget/examples", example), project)
        (project / f"{Path(example).stem}.js").write_text(start)
    (project / "vite.config.mjs").write_text(CONFIGURATION)
    done = run_tool(project, "vite", "build", "--logLevel", "warn")
    assert done.returncode == 0, done.stderr
    output = project / "dist"
    return {str(path.relative_to(output)): path.read_text("utf-8") for path in output.rglob("*.js")}


@pytest.mark.parametrize("name", [Path(example).stem for example in STARTS])
def test_built_page_renders_the_card_and_receives_its_events(page, publisher, built, name):
    main = f'<div id="app" data-host="https://HOST"></div><script type="module" src="{name}.js"></script>'
    published = PublisherPage(f"built-{name}", name, "built", "gift", {"": main} | built)
    page.goto(publisher.site.publish(published))
    expect(page.locator("output")).to_have_text("donation-card-ready")
    page.locator("donation-card .donate").click()
    expect(page.locator("output")).to_have_text("donation-card-open")
    expect(page.frame_locator("donation-card iframe").locator("#give-title")).to_be_visible(timeout=20_000)
