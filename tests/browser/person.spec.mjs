// The paths of a person through the console.
import { readFileSync } from "node:fs";
import { balance, data, expect, preview, signIn, test } from "./common.mjs";

test("a person signs in, finds an account, reads its statement and signs out", async ({ page }) => {
    await page.goto(`/console/accounts/${data.FROM}`);
    await page.getByLabel("API key").fill("nb_wrong");
    await page.keyboard.press("Enter");
    const field = page.getByLabel("API key");
    await expect(field).toHaveAttribute("aria-invalid", "true");
    await expect(field).toHaveAccessibleDescription(/no key in force/);
    await field.fill(data.ADMIN_KEY);
    await page.keyboard.press("Enter");
    await expect(page).toHaveURL(new RegExp(`/console/accounts/${data.FROM}$`));

    await page.getByRole("link", { name: "Search" }).click();
    await page.getByRole("searchbox").fill("lovelace");
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "Ada Lovelace" }).click();
    await expect(page.getByRole("heading", { level: 1, name: "Ada Lovelace" })).toBeVisible();
    await page.goto(`/console/accounts/${data.FROM}`);
    await page.getByRole("link", { name: "Older" }).click();
    await expect(page.getByText("Salary, October")).toBeVisible();
    const download = page.waitForEvent("download");
    await page.getByRole("link", { name: "Export CSV" }).click();
    const file = readFileSync(await (await download).path(), "utf8");
    expect(file.split("\n")[0]).toContain("entry_number,posted_at");
    expect(file).toContain("Salary, October");

    await page.getByLabel("From", { exact: true }).fill("1999-01-01");
    await page.getByLabel("To", { exact: true }).fill("1999-01-31");
    await page.getByRole("button", { name: "Show" }).click();
    await expect(page.getByText("No entries in these days")).toBeVisible();

    await page.getByRole("button", { name: "Sign out" }).click();
    await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
    await page.goBack();
    await page.reload();
    await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
});

test("a double click and a reload move the money once", async ({ page }) => {
    await signIn(page);
    const before = await balance(page, data.SAVINGS);
    await preview(page, { from: data.HOSTILE_ACCOUNT, to: data.SAVINGS, amount: "0.10" });
    await expect(page.getByText("Afterwards").first()).toBeVisible();
    const form = await page.locator("main form").evaluate((sent) => Object.fromEntries(new FormData(sent)));
    await page.getByRole("button", { name: "Confirm transfer" }).dblclick();
    await expect(page.getByRole("status")).toContainText("The transfer is posted");
    await page.reload();
    const again = await page.request.post("/console/transfer/confirm", { form });
    expect(await again.text()).toContain("The money moved once");
    expect(await balance(page, data.SAVINGS)).toBeCloseTo(before + 0.1, 2);
});

test("errors stand beside their fields, and the values stay", async ({ page }) => {
    await signIn(page);
    await page.goto("/console/transfer");
    await page.getByLabel("From account").fill(data.FROM);
    await page.getByLabel("To account").fill("<b>nobody</b>");
    await page.getByLabel("Amount").fill("1,5");
    await page.getByRole("button", { name: "Preview" }).click();
    await expect(page.getByRole("alert")).toBeVisible();
    await expect(page.getByLabel("To account")).toHaveAccessibleDescription(/no such account/);
    await expect(page.getByLabel("Amount")).toHaveAccessibleDescription(/no amount in CZK/);
    await expect(page.getByLabel("To account")).toHaveValue("<b>nobody</b>");
});

test("two people on one account: the second one sees the balance that the first one left", async ({ page, browser }) => {
    const other = await (await browser.newContext()).newPage();
    await signIn(page);
    await signIn(other);
    const transfer = { from: data.TO, to: data.SAVINGS, amount: "10.00" };
    await preview(page, transfer);
    await preview(other, transfer);
    await other.getByRole("button", { name: "Confirm transfer" }).click();
    await expect(other.getByRole("status")).toContainText("The transfer is posted");
    await page.getByRole("button", { name: "Confirm transfer" }).click();
    await expect(page.getByRole("alert")).toContainText("has changed since the preview");
    await page.getByRole("button", { name: "Confirm transfer" }).click();
    await expect(page.getByRole("status")).toContainText("The transfer is posted");
});

test("the keyboard reaches the content and the first field", async ({ page }) => {
    await signIn(page);
    await page.goto("/console/transfer");
    await page.keyboard.press("Tab");
    const skip = page.getByRole("link", { name: "Skip to the content" });
    await expect(skip).toBeFocused();
    await expect(skip).toBeInViewport();
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    await expect(page.getByLabel("From account")).toBeFocused();
});

test("a bound key sees its own pages only", async ({ page }) => {
    await signIn(page, data.BOUND_KEY);
    const pages = page.getByRole("navigation", { name: "Pages" }).getByRole("link");
    await expect(pages).toHaveText(["Search", "Transfer", "Holds", "Groups"]);
    await page.goto(`/console/accounts/${data.TO}`);
    await expect(page.getByRole("heading", { name: "Not found" })).toBeVisible();
});

test.describe("without scripts", () => {
    test.use({ javaScriptEnabled: false });

    test("the forms and the feed of events work", async ({ page }) => {
        await signIn(page);
        await preview(page, { from: data.TO, to: data.HOSTILE_ACCOUNT, amount: "1.00" });
        await page.getByRole("button", { name: "Change" }).click();
        await expect(page.getByLabel("Amount")).toHaveValue("1.00");
        await page.goto("/console/events");
        await page.getByRole("link", { name: "Older" }).click();
        await expect(page.getByRole("link", { name: "Newest" })).toBeVisible();
    });
});
