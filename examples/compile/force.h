/* The pull of a unit mass at the origin, softened so that close passes stay finite. */
#ifndef FORCE_H
#define FORCE_H

#define SOFTENING 1e-3

struct body {
    double x, y, vx, vy;
};

void kick(struct body *body, double dt);

#endif
