// The islands of every page. Each module finds its own elements by data attributes (see templates/README.md).
import "./theme-switch.js";
import "./menu.js";
import "./dialog.js";
import "./toast.js";
import "./copy.js";
import "./picture.js";
import "./form.js";
import "./tip.js";
import "./time.js";
import "./masonry.js";
import "./infinite.js";
import "./lightbox.js";
import "./lineage.js";
import "./palette.js";
import "./shortcuts.js";
import "./loading.js";
