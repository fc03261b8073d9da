// The page begins: each part is started once, then the galleries are asked for, then the pictures.

import { startAddress } from "./address.js";
import { Problem } from "./api.js";
import { startApps } from "./apps.js";
import { startBox } from "./box.js";
import { startChips } from "./chips.js";
import { startConcepts } from "./concepts.js";
import { startDrop } from "./drop.js";
import { startFacets } from "./facets.js";
import { startFrame } from "./frame.js";
import { loadGalleries, startGalleries } from "./galleries.js";
import { startGrid } from "./grid.js";
import { startHeat } from "./heat.js";
import { startHistory } from "./history.js";
import { placeIcons } from "./icons.js";
import { startKeys } from "./keys.js";
import { startNotes } from "./notes.js";
import { startPanel } from "./panel.js";
import { startRecording } from "./recording.js";
import { startResults } from "./results.js";
import { search, startSearcher } from "./searcher.js";
import { startSelection } from "./selection.js";
import { startSession } from "./session.js";
import { showProblem, startStates } from "./states.js";
import { startSuggestions } from "./suggestions.js";
import { startTheme } from "./theme.js";
import { startUpload } from "./upload.js";
import { startUploadsView } from "./uploads-view.js";
import { startViewer } from "./viewer.js";

async function begin() {
  placeIcons();
  const parts = [
    startTheme,
    startFrame,
    startGalleries,
    startApps,
    startSuggestions,
    startBox,
    startChips,
    startRecording,
    startNotes,
    startResults,
    startSelection,
    startGrid,
    startStates,
    startHeat,
    startViewer,
    startConcepts,
    startFacets,
    startPanel,
    startSession,
    startDrop,
    startUpload,
    startUploadsView,
    startHistory,
    startKeys,
    startAddress,
  ];
  for (const start of parts) start();
  try {
    await loadGalleries();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showProblem(error);
  }
  startSearcher();
  await search();
}

begin();
