"""axe-core on the open page: what would shut somebody out, one line for each place.

axe sees names, roles, order and contrast. What it cannot see (keyboard, zoom, what is spoken) has tests of its own.
"""

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT

# WCAG 2.2 A and AA, and what the makers of axe-core recommend beyond them.
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")

# Two recommendations are about a page at rest: an open menu or message stands outside of its landmarks, an open drawer hides its title.
_RUN = """async only => {
  const tags = { type: 'tag', values: TAGS };
  const options = only ? { runOnly: only } : { runOnly: tags, rules: { 'target-size': { enabled: true } } };
  const { violations } = await axe.run(document, { resultTypes: ['violations'], ...options });
  const isOver = ({ target }) => document.querySelector(target[0]).closest('.menu, .tour, #toasts');
  const isMeant = (id, node) => !(id === 'region' && isOver(node)) && !(id === 'page-has-heading-one' && document.querySelector('[inert]'));
  return violations.flatMap(({ id, impact, nodes }) => nodes.filter(node => isMeant(id, node)).map(({ target, html, failureSummary }) =>
    `${id} (${impact}) at ${target.join(' ')}: ${html.slice(0, 160)}: ${failureSummary.replace(/\\s+/g, ' ').slice(0, 300)}`));
}""".replace("TAGS", str(list(TAGS)))


def violations(page: Any) -> list[str]:
    """Everything that axe finds on the page as it stands."""
    return _run(page, None)


def contrasts(page: Any) -> list[str]:
    """Colours alone: all that another theme can change."""
    return _run(page, {"type": "rule", "values": ["color-contrast", "link-in-text-block"]})


def _run(page: Any, only: dict[str, object] | None) -> list[str]:
    if not page.evaluate("!!window.axe"):
        page.evaluate(AXE_SCRIPT)
    return list(page.evaluate(_RUN, only))
