// What the console's pages do beyond plain HTML. Every page works without this file.
"use strict";

// A second click on a button that sends a form is ignored; the form's key makes it harmless anyway.
document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) {
        event.preventDefault();
        return;
    }
    form.dataset.sent = "1";
});

// A page that the browser shows again from its memory can send its form again.
window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// The feed of events: reads its own page behind the last position, and takes the new rows.
const live = document.getElementById("live");
const rows = document.getElementById("events");
if (live && rows && "isNewest" in live.dataset) follow();

function follow() {
    const PAUSE = 1000;
    const ROWS_MAX = 200;
    const button = document.createElement("button");
    const status = document.createElement("p");
    button.type = "button";
    status.setAttribute("role", "status");
    status.className = "faint";
    live.append(button, status);
    let isRunning = true;
    let arrived = 0;
    show("Live");

    button.addEventListener("click", () => {
        isRunning = !isRunning;
        show(isRunning ? "Live" : "Paused");
    });
    setTimeout(read, PAUSE);

    function show(text) {
        button.textContent = isRunning ? "Pause" : "Continue";
        status.textContent = text;
        live.classList.toggle("running", isRunning);
    }

    async function read() {
        if (isRunning && !document.hidden) {
            try {
                if (!(await take())) return;
            } catch {
                status.textContent = "The service does not answer; trying again.";
            }
        }
        setTimeout(read, PAUSE);
    }

    // Returns false when there is no more to read.
    async function take() {
        const address = `/console/events?after=${live.dataset.after}`;
        const answer = await fetch(address, { headers: { "x-refresh": "1" } });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const found = page.getElementById("events");
        if (!found) {
            isRunning = false;
            button.remove();
            status.textContent = answer.redirected
                ? "The session has ended. Sign in again to continue."
                : "The feed has ended. Open the page again.";
            return answer.status >= 500;
        }
        const fresh = [...found.children];
        if (fresh.length === 0) {
            show(arrived ? `Live: ${arrived} new` : "Live");
            return true;
        }
        for (const row of fresh) row.classList.add("arrived");
        rows.prepend(...fresh.map((row) => document.adoptNode(row)));
        while (rows.children.length > ROWS_MAX) rows.lastElementChild.remove();
        document.querySelector(".empty")?.remove();
        live.dataset.after = page.getElementById("live").dataset.after;
        arrived += fresh.length;
        show(`Live: ${arrived} new`);
        return true;
    }
}
