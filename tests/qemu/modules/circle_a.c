/* Cannot be loaded, because of what it needs: a module that is refused, absent, or needs this one. */
static const char _depends_on[] __attribute__((used)) = "circle_b";
