// Runs on every page: shows times in the reader's time zone, except those that must stay in UTC, and reloads a page that the browser kept from before.

for (const time of document.querySelectorAll("time[datetime]:not([data-utc])")) {
  const moment = new Date(time.dateTime);
  time.title = time.textContent;
  time.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

// A browser may show a kept page again without asking the server, but the session may have ended since.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
