// Every page at two widths and in both colour schemes: accessible, within its width, and inert.
import AxeBuilder from "@axe-core/playwright";
import { data, expect, signIn, test } from "./common.mjs";

const PAGES = {
    search: "/console/search",
    results: "/console/search?q=script",
    "no results": "/console/search?q=nobody",
    customer: `/console/customers/${data.CUSTOMER}`,
    "hostile customer": `/console/customers/${data.HOSTILE_CUSTOMER}`,
    account: `/console/accounts/${data.FROM}`,
    "hostile account": `/console/accounts/${data.HOSTILE_ACCOUNT}`,
    "wrong days": `/console/accounts/${data.FROM}?from=x`,
    transfer: `/console/transfers/${data.RENT}`,
    "transfer form": `/console/transfer?from=${data.FROM}`,
    holds: "/console/holds?status=any",
    hold: `/console/holds/${data.HOLD}`,
    groups: "/console/groups?id=x",
    group: `/console/groups/${data.GROUP}`,
    "trial balance": "/console/trial-balance",
    events: "/console/events",
    database: "/console/database",
    audit: "/console/audit",
    "no page": "/console/nothing",
};

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

for (const width of [320, 1400]) {
    for (const colorScheme of ["light", "dark"]) {
        test.describe(`${width} pixels, ${colorScheme}`, () => {
            test.use({ viewport: { width, height: 900 }, colorScheme });

            test("the page to sign in", async ({ page }) => {
                await page.goto("/console/sign-in");
                await check(page);
            });

            test("the pages of a signed-in person", async ({ page }) => {
                test.setTimeout(120_000);
                await signIn(page);
                for (const [name, address] of Object.entries(PAGES)) {
                    await test.step(name, async () => {
                        await page.goto(address);
                        await check(page);
                    });
                }
            });

            test("the preview and the errors of a transfer", async ({ page }) => {
                await signIn(page);
                await page.goto(`/console/transfer?from=${data.FROM}&to=${data.TO}`);
                await page.getByLabel("Amount").fill("0");
                await page.getByRole("button", { name: "Preview" }).click();
                await check(page);
                await page.getByLabel("Amount").fill("1250.50");
                await page.getByRole("button", { name: "Preview" }).click();
                await expect(page.getByRole("button", { name: "Confirm transfer" })).toBeVisible();
                await check(page);
            });
        });
    }
}

async function check(page) {
    expect(await page.title()).toMatch(/ – NeoBank$/);
    expect(await page.title()).not.toBe("owned");
    expect(await page.locator("img, iframe, object, embed").count()).toBe(0);
    expect(await page.locator("script:not([src='/console/console.js'])").count()).toBe(0);
    const isTooWide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
    expect(isTooWide, "the page scrolls sideways").toBe(false);
    const { violations } = await new AxeBuilder({ page }).withTags(TAGS).analyze();
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" | ")}`);
    expect(found).toEqual([]);
}
