// What every page runs: times in the reader's own clock, and no page from before a log-out.

for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  time.title = time.textContent;
  time.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

// A browser may keep a page whole and show it again without asking: the session may have ended since.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
