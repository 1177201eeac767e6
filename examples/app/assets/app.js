// The page works without this file; with it nothing has to be reloaded.
"use strict";

const $ = (id) => document.getElementById(id);
document.documentElement.classList.add("scripted");

// The clock: server-sent events.
const clock = new EventSource("clock");
clock.onopen = () => $("time").classList.add("on");
clock.onerror = () => $("time").classList.remove("on");
clock.onmessage = (event) => {
  const now = JSON.parse(event.data);
  for (const id of ["time", "requests", "goroutines"]) $(id).textContent = now[id];
};

// Notes: the JSON API.
async function api(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body && JSON.stringify(body),
  });
  const value = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

async function notes(work) {
  $("note-error").textContent = "";
  try {
    await work();
    const list = await api("GET", "api/notes");
    $("note-list").replaceChildren(...list.map(item));
  } catch (error) {
    $("note-error").textContent = error.message;
  }
}

function item(note) {
  const li = document.createElement("li");
  const text = document.createElement("span");
  const button = document.createElement("button");
  li.dataset.id = note.id;
  text.textContent = note.text;
  button.className = "quiet";
  button.textContent = "×";
  button.title = "Delete";
  button.ariaLabel = "Delete";
  li.append(text, button);
  return li;
}

$("note-form").addEventListener("submit", (event) => {
  event.preventDefault();
  notes(async () => {
    await api("POST", "api/notes", { text: $("text").value });
    $("note-form").reset();
  });
});

$("note-list").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  event.preventDefault();
  notes(() => api("DELETE", "api/notes/" + button.closest("li").dataset.id));
});

// The upload: the raw file in a PUT, with progress (which fetch cannot tell).
const drop = document.querySelector(".drop");

function chosen() {
  const file = $("file").files[0];
  $("drop-text").textContent = file ? `${file.name} (${size(file.size)})` : "Choose a file, or drop one here";
}

function size(bytes) {
  const unit = Math.min(3, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  return (bytes / 1024 ** unit).toFixed(unit ? 1 : 0) + " " + ["B", "KiB", "MiB", "GiB"][unit];
}

$("file").addEventListener("change", chosen);
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragenter" || name === "dragover");
    if (name === "drop") {
      $("file").files = event.dataTransfer.files;
      chosen();
    }
  });
}

$("upload-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const file = $("file").files[0];
  const request = new XMLHttpRequest();
  const failed = (why) => {
    $("upload-error").textContent = why;
    $("progress").hidden = true;
  };
  $("upload-error").textContent = "";
  $("upload-result").hidden = true;
  $("progress").hidden = false;
  $("progress").value = 0;
  request.upload.onprogress = (sent) => {
    if (sent.lengthComputable) $("progress").value = sent.loaded / sent.total;
  };
  request.onerror = () => failed("The connection broke off.");
  request.onload = () => {
    if (request.status !== 200) return failed(`The server answered ${request.status}.`);
    const done = JSON.parse(request.responseText);
    $("up-sha").textContent = done.sha256;
    $("up-size").textContent = size(done.bytes);
    $("up-rate").textContent = done.mib_per_s + " MiB/s";
    $("progress").hidden = true;
    $("upload-result").hidden = false;
  };
  request.open("PUT", "upload");
  request.send(file);
});
