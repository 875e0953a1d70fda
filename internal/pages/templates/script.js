"use strict";
// Adds a button to each text that is for copying, where the browser lets a page copy: not
// over plain HTTP.
if (navigator.clipboard)
	for (const item of document.querySelectorAll(".copy")) {
		const code = item.querySelector("code"), button = document.createElement("button"), label = document.createElement("span");
		label.className = "hidden";
		label.textContent = " " + (item.querySelector("dt")?.textContent ?? "");
		button.type = "button";
		button.ariaLive = "polite";
		button.append("Copy", label);
		button.addEventListener("click", async () => {
			try {
				await navigator.clipboard.writeText(code.textContent);
				button.firstChild.data = "Copied";
			} catch {
				getSelection().selectAllChildren(code);
				button.firstChild.data = "Selected";
			}
			setTimeout(() => button.firstChild.data = "Copy", 2000);
		});
		item.append(button);
	}
