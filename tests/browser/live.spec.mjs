// The feed of events, live.
import { execFileSync } from "node:child_process";
import { data, expect, signIn, test } from "./common.mjs";

test("new events appear by themselves, and a pause stops them", async ({ page }) => {
    await signIn(page);
    await page.goto("/console/events");
    await expect(page.getByText("Live", { exact: true })).toBeVisible();
    move("1.01");
    await expect(page.locator("#events").getByText("1.01")).toBeVisible();
    await page.getByRole("button", { name: "Pause" }).click();
    move("1.02");
    await page.waitForTimeout(2_500);
    await expect(page.locator("#events").getByText("1.02")).toHaveCount(0);
    await page.getByRole("button", { name: "Continue" }).click();
    await expect(page.locator("#events").getByText("1.02")).toBeVisible();
});

function move(amount) {
    const neobank = (...parameters) => execFileSync("../../target/debug/neobank", parameters, { stdio: "pipe" });
    neobank("deposit", "--account", data.SAVINGS, "--amount", `${amount} CZK`);
    neobank("seal");
}
